import type { CometErrorEvent, CometMessageEvent } from "./events.ts";
import type { FollowOptions } from "./follower.ts";
import { BareSource, type AnyEvents } from "./source.ts";
import type { ClientWire } from "./wire.ts";
import { comet } from "./wires/comet.ts";
import { firstOf } from "./wires/first-of.ts";
import { ndjson } from "./wires/ndjson.ts";
import { poll } from "./wires/poll.ts";
import { sse } from "./wires/sse.ts";
import { withHeaders, type GivenHeaders } from "./wires/with-headers.ts";

/** How a {@link CometSource} follows a hub. */
export interface CometSourceOptions extends Omit<FollowOptions, "wire"> {
  /**
   * Headers for every request, or what gives them; it is asked before each, and once more after a 401. With headers only wires
   * that can send them are used.
   */
  readonly headers?: GivenHeaders;
  /** What to follow it over, the best first: `ndjson`, `sse`, `comet` and `poll` by default. */
  readonly wires?: readonly ClientWire[];
  /** `acrossTabs`: one connection for all tabs. Each source has its own by default. */
  readonly share?: (wire: ClientWire) => ClientWire;
  /** How long a wire may take to open before the next is tried beside it: 3,000 ms by default. */
  readonly openTimeoutMs?: number;
}

/** A reader that has so many messages to take is given no more until it has taken them. */
const MOST_WAITING = 500;

/**
 * A {@link BareSource} on the first wire that delivers. Where only the standard's members are used, it takes the place of an `EventSource`.
 * It is also an `AsyncIterable` of all messages.
 */
export class CometSource<Events = AnyEvents> extends BareSource<Events> {
  /** Each is told of a message, or that there is something else to look at. */
  readonly #readers = new Set<(event?: Event) => void>();
  /** How many readers can take no more. */
  #full = 0;
  /** What there was no coming back from. */
  #error: Event | undefined;

  constructor(url: string | URL, options: CometSourceOptions = {}) {
    const { wires = [ndjson, sse, comet, poll], openTimeoutMs = 3000, headers, share } = options;
    const any = firstOf(wires, openTimeoutMs);
    const wire = headers ? withHeaders(any, headers) : any;
    super(url, { ...options, wire: share?.(wire) ?? wire });
  }

  override dispatchEvent(event: Event): boolean {
    if (event.type === "error" && (event as CometErrorEvent).retryMs === null) this.#error = event;
    for (const read of this.#readers) read(event);
    return super.dispatchEvent(event);
  }

  /** Closes the connection, and ends all iterations once they have read what came before. No event tells of it. */
  override close(): void {
    super.close();
    for (const read of this.#readers) read();
  }

  /**
   * All messages from now on, whatever their names. It ends when the source is closed, and throws the `error` event after which there
   * is no coming back. While a reader has 1,000 messages to read there is no connection: what comes next is asked of the hub's log.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<CometMessageEvent, void, undefined> {
    let waiting: CometMessageEvent[] = [];
    let wake = (): void => undefined;
    const read = (event?: Event): void => {
      if (event instanceof MessageEvent && waiting.push(event) === MOST_WAITING) {
        this.#full += 1;
        this.follower.stop();
      }
      wake();
    };
    const take = (): CometMessageEvent[] => {
      const taken = waiting;
      waiting = [];
      if (taken.length >= MOST_WAITING && --this.#full === 0 && this.readyState !== this.CLOSED) this.follower.start();
      return taken;
    };
    this.#readers.add(read);
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => (wake = resolve));
        yield* take();
        if (waiting.length === 0 && this.readyState === this.CLOSED) break;
        await woken;
      }
      if (this.#error) throw this.#error;
    } finally {
      this.#readers.delete(read);
      take();
    }
  }
}
