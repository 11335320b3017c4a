import type { Msg, Subscription } from "@nats-io/transport-node";
import type { BrokerMessage, Notice } from "../../log/broker.ts";
import { decodeEntry, fieldsOf, offsetIn, type StoredEntry } from "./message-codec.ts";
import type { ServerClock } from "./server-clock.ts";
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
  readonly #onForeign: () => void;
  readonly #accepts: (entry: StoredEntry) => boolean;
  readonly #clock: ServerClock;
  /** The offset of the last notice. */
  #last = 0;
  #known: Pick<BrokerMessage, "offset" | "at"> | undefined;

  /**
   * @param onForeign Called with a message that the server has not republished.
   * @param accepts Whether an entry is a message of the topic, and not a mark of a lease or a deletion.
   */
  constructor(
    epoch: StreamEpoch,
    clock: ServerClock,
    listener: (notice: Notice) => void,
    onForeign: () => void,
    accepts: (entry: StoredEntry) => boolean,
  ) {
    this.#accepts = accepts;
    this.#epoch = epoch;
    this.#clock = clock;
    this.#listener = listener;
    this.#onForeign = onForeign;
  }

  /** The newest message that the hub was notified of, or has read. */
  get known(): Pick<BrokerMessage, "offset" | "at"> | undefined {
    return this.#known;
  }

  /** Notes that the hub has a message. */
  note(message: BrokerMessage | undefined): void {
    if (message === undefined || message.fault !== undefined || message.offset <= (this.#known?.offset ?? 0)) return;
    this.#known = { offset: message.offset, at: message.at };
  }

  /** Calls the listener with a republished message. The epoch must be known. */
  receive(message: Msg): void {
    const { headers } = message;
    const [offset, previous] = [offsetIn(headers, "Nats-Sequence"), offsetIn(headers, "Nats-Last-Sequence")];
    if (!(offset > previous)) {
      this.#onForeign();
      return;
    }
    const entry = decodeEntry(offset, message.string(), fieldsOf(headers), this.#clock.now());
    const { message: decoded } = entry;
    const { name, base } = this.#epoch.current;
    if (offset <= base || !this.#accepts(entry)) return;
    const before = entry.previous ?? previous;
    const notice = { epoch: name, previous: before > base ? before : 0, message: decoded };
    if (decoded.fault !== undefined) {
      // The hub reads the stored message, which shows whether the server has republished this one.
      this.#listener(notice);
      return;
    }
    if (offset <= this.#last) {
      // Offsets only grow in one stream, so this is another.
      this.#epoch.refresh();
      return;
    }
    this.#last = offset;
    this.note(decoded);
    this.#epoch.observe(offset);
    this.#listener(notice);
  }

  /** Forgets the offsets of an epoch that is over. */
  reset(): void {
    this.#last = 0;
    this.#known = undefined;
  }
}
