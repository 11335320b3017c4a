export { CometSource, type CometSourceOptions } from "./comet-source.ts";
export { batches, type BatchOptions } from "./batches.ts";
export { fetchEvents } from "./fetch-events/fetch-events.ts";
export type { FetchEventsOptions } from "./fetch-events/fetch-events-options.ts";
export { EventStreamError, type EventStreamErrorCode, type FailedResponse } from "./fetch-events/event-stream-error.ts";
export type { ServerEvent } from "./fetch-events/event-stream-parser.ts";
export type { LogEntry, LogFunction, WireLogType } from "./log-entry.ts";
export { logTo } from "./log-to.ts";
export { logWire } from "./log-wire.ts";
export { defineCometSource } from "./define-comet-source.ts";
export { BareSource, type AnyEvents, type EventOf, type OwnEvents, type SourceListener } from "./bare-source.ts";
export type {
  CometCloseEvent,
  CometEndedEvent,
  CometErrorEvent,
  CometGapEvent,
  CometMessageEvent,
  CometMissingEvent,
  CometOpenEvent,
} from "./comet-events.ts";
export type {
  EndedItem,
  EndItem,
  GapItem,
  MissingItem,
  OpenItem,
  Outcome,
  TopicEnd,
  WireMessage,
} from "../wire/item.ts";
export type { ClientWire, FollowOptions, ReceivedItem, WireEvents, WireFailure, WireRequest } from "./client-wire.ts";
export { acrossTabs } from "./wires/across-tabs.ts";
export { comet } from "./wires/comet-wire.ts";
export { firstOf } from "./wires/first-of.ts";
export { ndjson } from "./wires/ndjson-wire.ts";
export { poll } from "./wires/poll-wire.ts";
export { postedComet } from "./wires/posted-comet.ts";
export { sse } from "./wires/sse-wire.ts";
export { withHeaders, type HeadersOption } from "./wires/with-headers.ts";
