import type { Wire } from "../../wire/item.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubRequest } from "../request-options.ts";
import { callApplication } from "./authorize.ts";
import { acceptsGzip } from "./negotiate.ts";

/**
 * The content coding of a stream: the hub never compresses it (`none`), might have (`identity`), or does (`gzip`). The response
 * varies with `Accept-Encoding` in the last two cases.
 */
export type StreamCoding = "none" | "identity" | "gzip";

/**
 * Decides whether a stream is compressed. The hub leaves a response alone to which the application has given a
 * `Content-Encoding`.
 *
 * @param topics The topics that the client may follow.
 * @param given The headers that the application gives, if any.
 * @throws {CometError} `ERR_AUTHORIZE` if the application's function fails, after `onError` got its error.
 */
export function negotiateCoding(
  request: HubRequest,
  wire: Wire,
  topics: readonly string[],
  given: Headers | undefined,
  settings: HubSettings,
): StreamCoding {
  const { compression } = settings;
  if (compression === undefined || wire === "poll" || given?.has("content-encoding") === true) return "none";
  if (!callApplication(settings, () => compression(topics))) return "none";
  return acceptsGzip(request.headers.get("accept-encoding")) ? "gzip" : "identity";
}

/** Adds what a content coding says to the headers of a stream. */
export function addCoding(headers: Headers, coding: StreamCoding): void {
  if (coding !== "none") headers.append("vary", "Accept-Encoding");
  if (coding === "gzip") headers.set("content-encoding", "gzip");
}
