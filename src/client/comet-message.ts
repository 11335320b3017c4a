import type { ReceivedItem } from "./client-wire.ts";
import type { CometMessageEvent } from "./comet-events.ts";

/**
 * A message: an object with the members of a `MessageEvent`, and an instance of it to `instanceof`.
 *
 * It is no event of the browser's, since to create and dispatch one takes longer than everything else that the client
 * does for a message. So it cannot be dispatched again: {@link toEvent} creates an event that can.
 */
class CometMessage {
  readonly type: string;
  readonly data: unknown;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  readonly origin: string;
  readonly target: EventTarget;
  readonly currentTarget: EventTarget;
  readonly #parts: readonly string[];

  constructor(item: ReceivedItem, parts: readonly string[], origin: string, target: EventTarget) {
    this.type = item.event ?? "message";
    this.data = item.data;
    this.key = item.key;
    this.messageId = item.messageId;
    this.origin = origin;
    this.target = this.currentTarget = target;
    this.#parts = parts;
  }

  /** The whole position after the message. It is composed when it is read. */
  get lastEventId(): string {
    return this.#parts.join();
  }

  /** The time of the reading: to take it for every message would cost Chromium a sixth of all that the client does. */
  get timeStamp(): number {
    return performance.now();
  }
}

/** Creates a message. `parts` are the topic-positions of the whole position after it. */
export function createMessage(
  item: ReceivedItem,
  parts: readonly string[],
  origin: string,
  target: EventTarget,
): CometMessageEvent {
  const prototype = CometMessage.prototype as object as Record<string, unknown>;
  // At the first message: a server that renders the page may load this module, and have no `MessageEvent`.
  if (!(prototype instanceof MessageEvent)) {
    const blank = new MessageEvent("message") as object as Record<string, unknown>;
    // Most members of an event are getters, which throw for an object that is none.
    for (const name in blank) {
      const value = blank[name];
      if (!(name in prototype)) prototype[name] = typeof value === "function" ? value.bind(blank) : value;
    }
    Object.setPrototypeOf(prototype, MessageEvent.prototype);
  }
  return new CometMessage(item, parts, origin, target) as object as CometMessageEvent;
}

/** Returns an event that can be dispatched: for a message an event of the browser's with its members. */
export function toEvent(event: Event | CometMessageEvent): Event {
  if (!("data" in event)) return event;
  const { type, data, lastEventId, origin, key, messageId } = event;
  return Object.assign(new MessageEvent(type, { data, lastEventId, origin }), { key, messageId });
}
