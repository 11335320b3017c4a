export { nodeHandler, type NodeHandlerOptions, type NodeRequest } from "./node-handler.ts";
export type { NodeResponse } from "./node-response.ts";
export { sendChunked, type ChunkedOutcome } from "./send-chunked.ts";
