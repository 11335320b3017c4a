export { Hub, type CloseOptions } from "./hub.ts";
export type {
  ConnectOptions,
  Authorization,
  CloseReason,
  HubOptions,
  PresenceOptions,
  SlowSubscriberPolicy,
  TopicOptions,
} from "./options.ts";
export type { HubRequest } from "./hub-request.ts";
export type { Presence } from "./presence.ts";
export type { PresenceChange } from "./presence-watch.ts";
export type { HubStats } from "./stats.ts";
export type { Subscription } from "./subscription.ts";
export type { EnumerateOptions, PublishOptions, Topic, TopicEncoder, TopicMessage } from "./topic.ts";
export { MemoryBrokers } from "../log/memory-broker.ts";
export type { Broker, BrokerHost, BrokerMessage, BrokerPublication, History, Notice, Place } from "../log/broker.ts";
export type { LogBounds } from "../log/entry.ts";
export type { EndReason, OpenState, Wire } from "../wire/item.ts";
