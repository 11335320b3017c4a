import { BareSource } from "./bare-source.ts";
import type { ClientWire, FollowOptions } from "./client-wire.ts";
import type { CometCloseEvent } from "./comet-events.ts";
import type { AnyEvents, MessageOf } from "./event-map.ts";
import { openReader, type ReaderGroup } from "./message-reader.ts";
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
 * Follows a hub's topics over the first wire that delivers. A page that uses only the standard's members can use it in
 * place of an `EventSource`. It is also an `AsyncIterable` of all messages.
 *
 * A message is an instance of `MessageEvent`, but cannot be dispatched again.
 *
 * @throws {TypeError} if the address is invalid, or, with the code `ERR_URL`, neither http nor https; {SyntaxError} if
 *   its `lastEventId` is malformed.
 * @example
 * const source = new CometSource("/live?topic=news");
 * source.onmessage = ({ data }) => console.log(data);
 */
export class CometSource<Events = AnyEvents> extends BareSource<Events> {
  readonly #group: ReaderGroup<MessageOf<Events>>;

  constructor(url: string | URL, options: CometSourceOptions = {}) {
    const { wires = [ndjson, sse, comet, poll], openTimeoutMs = 3000, headers, share } = options;
    const any = firstOf(wires, openTimeoutMs);
    const wire = headers ? withHeaders(any, headers) : any;
    super(url, { ...options, wire: share?.(wire) ?? wire });
    this.#group = { follower: this.follower, open: new Set(), full: new Set() };
  }

  override dispatchEvent(event: Event): boolean {
    if (event instanceof MessageEvent) for (const read of this.#group.open) read(event as MessageOf<Events>);
    else if (this.readyState === this.CLOSED) this.#end(event);
    return super.dispatchEvent(event);
  }

  /** Closes the connection, and ends each iteration after it has read the messages before. It dispatches no event. */
  override close(): void {
    super.close();
    this.#end();
  }

  #end(event?: Partial<CometCloseEvent>): void {
    // The fatal error is dispatched before the `close`.
    this.#group.over ??= { cause: event?.type === "error" || event?.outcome === "failed" ? event : undefined };
    for (const read of this.#group.open) read();
  }

  /**
   * Iterates over all messages from now on, whatever their names. While a reader has 500 messages waiting, beside those
   * that it reads, the source has no connection; then it resumes from the hub's log.
   *
   * It ends after the last message when the source is over as `complete` or `stopped`, or closed by `close()`.
   *
   * @throws {Error} After the last message, if the source is over as `failed`. It has the `code` and, as its `message`,
   *   the `detail` of the fatal `error` event, which is its `cause`. Without such an event they are `ERR_ENDED`, and the
   *   reason and the event of the `close`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageOf<Events>, void, undefined> {
    return openReader(this.#group);
  }
}
