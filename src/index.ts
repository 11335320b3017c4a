export { CometError, type CometErrorCode } from "./core/errors.ts";
export type { OnError } from "./core/report.ts";
export * from "./stream/index.ts";
export { Html, html, type HtmlValue } from "./wire/html.ts";
export type { IfJsonable, Jsonable, JsonValue, NeedsEncoder } from "./wire/json.ts";
export { chunked } from "./http/chunked.ts";
export { comet, CometMessage, type CometEnumeratee, type CometOptions } from "./http/comet.ts";
export type { ChunkElement } from "./http/elements.ts";
export type { ChunkedInit } from "./http/init.ts";
