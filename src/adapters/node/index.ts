export { sendChunked, type ChunkedOutcome, type NodeResponse } from "./send-chunked.ts";
