/**
 * The entry `comet-sockets/node`: the adapter of `node:http`, `node:https` and `node:http2`.
 *
 * Every name here is public. Other folders import nothing else of this one.
 */

export type { ConnectionsServer } from "./close-connections.ts";
export { drainOnSignal, type ClosableServer, type DrainOnSignalOptions } from "./drain-on-signal.ts";
export { nodeHandler, type NodeHandlerLimits, type NodeHandlerOptions } from "./node-handler.ts";
export type { NodeRequest, NodeResponse } from "./node-response.ts";
export { sendChunked, type ChunkedOutcome } from "./send-chunked.ts";
