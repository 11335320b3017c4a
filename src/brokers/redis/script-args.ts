import type { BrokerPublication, TopicBounds } from "../../log/broker.ts";
import { encodeFields } from "./message-codec.ts";

/** What the publish script does: it adds a message, or the end, or the end only if the producer's lease has lapsed. */
export type PublishKind = "" | "end" | "settle";

/** Encodes the arguments of the publish script that follow those of all scripts on a topic. */
export function publishArgs(
  message: BrokerPublication,
  bounds: TopicBounds,
  command: string,
  kind: PublishKind,
): string[] {
  const args = [message.json, encodeFields(message), String(message.bytes), ...boundsArgs(bounds), command];
  const { ttlMs } = bounds;
  const { fence, order } = message;
  // A message of an endless topic is sent without them.
  if (ttlMs !== undefined || kind !== "" || fence !== undefined) args.push(String(ttlMs ?? ""), kind);
  if (fence !== undefined) args.push(fence, order === undefined ? "" : String(order));
  return args;
}

/** Encodes the bounds that the scripts trim to. A topic that ends has no highest age. */
export function boundsArgs({ maxEntries, maxBytes, maxAgeMs }: TopicBounds): string[] {
  return [String(maxEntries), String(maxBytes), maxAgeMs === Infinity ? "" : String(maxAgeMs)];
}
