export { durableStreams, type DurableStreams } from "./durable-streams.ts";
export type { DurableStreamsOptions, StreamAction } from "./options.ts";
