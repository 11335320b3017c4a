import { BareSource, type AnyEvents } from "./bare-source.ts";
import type { ClientWire } from "./client-wire.ts";
import type { CometCloseEvent, CometErrorEvent, CometMessageEvent } from "./comet-events.ts";
import type { FollowOptions } from "./follower.ts";
import { comet } from "./wires/comet-wire.ts";
import { firstOf } from "./wires/first-of.ts";
import { ndjson } from "./wires/ndjson-wire.ts";
import { poll } from "./wires/poll-wire.ts";
import { sse } from "./wires/sse-wire.ts";
import { withHeaders, type HeadersOption } from "./wires/with-headers.ts";

/** Options of a {@link CometSource}. */
export interface CometSourceOptions extends Omit<FollowOptions, "wire"> {
  /**
   * Headers of every request, or a function that returns them; it is called before each request, and once more after a
   * 401. With headers the source uses only wires that can send them.
   */
  readonly headers?: HeadersOption;
  /** The wires to try, the best first. @default [ndjson, sse, comet, poll] */
  readonly wires?: readonly ClientWire[];
  /** A wrapper that shares connections, such as `acrossTabs`. By default each source has a connection of its own. */
  readonly share?: (wire: ClientWire) => ClientWire;
  /** The time that a wire has to open before the next is tried beside it, in milliseconds, from 0. @default 3000 */
  readonly openTimeoutMs?: number;
}

/**
 * A reader with this number of messages waiting is full. It holds at most twice as many: these and those that it reads.
 */
const MAX_WAITING = 500;

/**
 * Follows a hub's topics over the first wire that delivers. A page that uses only the standard's members can use it in
 * place of an `EventSource`. It is also an `AsyncIterable` of all messages.
 *
 * The iterator stops the follower while a reader is full; do not buffer instead: the hub's log is the buffer.
 *
 * @throws {TypeError} if the address is invalid, or, with the code `ERR_URL`, neither http nor https; {SyntaxError} if
 *   its `lastEventId` is malformed.
 * @example
 * const source = new CometSource("/live?topic=news");
 * source.onmessage = ({ data }) => console.log(data);
 */
export class CometSource<Events = AnyEvents> extends BareSource<Events> {
  /** Callbacks of the iterations: called with each event, and without one when the source is closed. */
  readonly #readers = new Set<(event?: Event) => void>();
  /** The number of readers that are full. */
  #full = 0;
  /** The event that has closed the source as `failed`: the fatal error, or the `close` of a server without an error. */
  #failure: Partial<CometErrorEvent & CometCloseEvent> | undefined;

  constructor(url: string | URL, options: CometSourceOptions = {}) {
    const { wires = [ndjson, sse, comet, poll], openTimeoutMs = 3000, headers, share } = options;
    const any = firstOf(wires, openTimeoutMs);
    const wire = headers ? withHeaders(any, headers) : any;
    super(url, { ...options, wire: share?.(wire) ?? wire });
  }

  override dispatchEvent(event: Event): boolean {
    const { type, retryMs, outcome } = event as CometErrorEvent & CometCloseEvent;
    if (type === "error" ? retryMs === null : type === "close" && outcome === "failed") this.#failure ??= event;
    for (const read of this.#readers) read(event);
    return super.dispatchEvent(event);
  }

  /** Closes the connection, and ends each iteration after it has read the messages before. It dispatches no event. */
  override close(): void {
    super.close();
    for (const read of this.#readers) read();
  }

  /**
   * Iterates over all messages from now on, whatever their names. While a reader lags by 500 to 1,000 messages, the
   * source has no connection; then it resumes from the hub's log.
   *
   * It ends after the last message when the source is over as `complete` or `stopped`, or closed by `close()`.
   *
   * @throws {Error} After the last message, if the source is over as `failed`. It has the `code` and, as its `message`,
   *   the `detail` of the fatal `error` event, which is its `cause`. Without such an event they are `ERR_ENDED`, and the
   *   reason and the event of the `close`.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<CometMessageEvent, void, undefined> {
    let waiting: CometMessageEvent[] = [];
    let wake = (): void => undefined;
    const read = (event?: Event): void => {
      if (event instanceof MessageEvent && waiting.push(event) === MAX_WAITING) {
        this.#full += 1;
        this.follower.stop();
      }
      wake();
    };
    const take = (): CometMessageEvent[] => {
      const taken = waiting;
      waiting = [];
      if (taken.length >= MAX_WAITING && --this.#full === 0 && this.readyState !== this.CLOSED) this.follower.start();
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
      const cause = this.#failure;
      if (cause) {
        const { code = "ERR_ENDED", detail = cause.reason } = cause;
        throw Object.assign(new Error(detail, { cause }), { code });
      }
    } finally {
      this.#readers.delete(read);
      take();
    }
  }
}
