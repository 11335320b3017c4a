export { connect, type NodeRequest } from "./connect.ts";
export type { NodeResponse } from "./response.ts";
export { sendChunked, type ChunkedOutcome } from "./send-chunked.ts";
