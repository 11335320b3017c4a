export { CometError, type CometErrorCode } from "./core/errors.ts";
export type { OnError } from "./core/on-error.ts";
export * from "./stream/index.ts";
export { Html, html, type HtmlValue } from "./html/html.ts";
export type { IfJsonable, Jsonable, JsonValue, NeedsEncoder } from "./wire/json.ts";
export { chunked } from "./http/chunked.ts";
export { comet, CometMessage, type CometEnumeratee, type CometOptions } from "./http/comet.ts";
export type { ChunkElement } from "./http/elements.ts";
export type { ChunkedInit } from "./http/init.ts";
export { fetchHandler, Hub, type CloseOptions } from "./hub/hub.ts";
export { sharedHub } from "./hub/shared-hub.ts";
export type { Endpoint, RequestWithBody } from "./hub/endpoint.ts";
export type { HubOptions } from "./hub/hub-options.ts";
export type { FiniteOptions, TopicOptions } from "./hub/topic-options.ts";
export type { PresenceOptions } from "./hub/presence/presence-options.ts";
export type { HubStats } from "./hub/hub-stats.ts";
export type { Authorization, HubRequest, OverflowPolicy, RequestOptions } from "./hub/request-options.ts";
export type {
  ProduceOptions,
  PublishFromOptions,
  StreamOutcome,
  StreamProducing,
  StreamPublishing,
} from "./hub/published-streams.ts";
export type { CloseReason, Subscription, SubscriptionUpdate } from "./hub/subscription.ts";
export type {
  EndOptions,
  MessagesOptions,
  Presence,
  PresenceChange,
  PublishOptions,
  Topic,
  TopicDeclaration,
  TopicEncoder,
  TopicMessage,
  TransactionPublishOptions,
} from "./hub/topic.ts";
export type {
  Broker,
  BrokerHost,
  BrokerMessage,
  BrokerPublication,
  FiniteState,
  FiniteTopics,
  History,
  LeaseAnswer,
  LeaseRequest,
  Notice,
  TopicBounds,
  TransactionalTopics,
} from "./log/broker.ts";
export type { LogBounds } from "./log/entry.ts";
export type { Position } from "./log/position.ts";
export type { EndReason, OpenState, Wire } from "./wire/item.ts";
