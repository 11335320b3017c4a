import type { Msg, Subscription } from "@nats-io/transport-node";
import type { BrokerMessage, Notice } from "../../log/broker.ts";
import { decodeMessage, fieldsOf } from "./message-codec.ts";
import type { StreamEpoch } from "./stream-epoch.ts";

/**
 * A topic with a listener in this process. It turns the messages that the server republishes into notices, each once and in the order of
 * their offsets. It outlives the links: the broker subscribes it again on each.
 */
export class NatsSubscription {
  /** The subscription on the current link. */
  live: Subscription | undefined;
  readonly #epoch: StreamEpoch;
  readonly #listener: (notice: Notice) => void;
  /** The offset of the last notice. */
  #last = 0;
  #known: Pick<BrokerMessage, "offset" | "at"> | undefined;

  constructor(epoch: StreamEpoch, listener: (notice: Notice) => void) {
    this.#epoch = epoch;
    this.#listener = listener;
  }

  /** The newest message that the hub was notified of, or has read. */
  get known(): Pick<BrokerMessage, "offset" | "at"> | undefined {
    return this.#known;
  }

  /** Notes that the hub has a message. */
  note(message: BrokerMessage | undefined): void {
    if (message === undefined || message.offset <= (this.#known?.offset ?? 0)) return;
    this.#known = { offset: message.offset, at: message.at };
  }

  /** Calls the listener with a republished message. The epoch must be known. */
  receive(message: Msg): void {
    const offset = Number(message.headers?.get("Nats-Sequence"));
    const previous = Number(message.headers?.get("Nats-Last-Sequence"));
    const decoded = decodeMessage(offset, message.string(), fieldsOf(message.headers));
    const { name, base } = this.#epoch.current;
    // Messages that no hub has published have the time 0.
    if (decoded.at === 0 || !(offset > base)) return;
    if (offset <= this.#last) {
      // Offsets only grow in one stream, so this is another.
      this.#epoch.refresh();
      return;
    }
    this.#last = offset;
    this.note(decoded);
    this.#epoch.observe(offset);
    this.#listener({ epoch: name, previous: previous > base ? previous : 0, message: decoded });
  }

  /** Forgets the offsets of an epoch that is over. */
  reset(): void {
    this.#last = 0;
    this.#known = undefined;
  }
}
