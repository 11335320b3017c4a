import type { CometCloseEvent, CometErrorEvent, CometGapEvent, CometMessageEvent, CometOpenEvent } from "./events.ts";
import type { Wire } from "../wire/item.ts";
import { follower, type Follower, type FollowOptions } from "./follower.ts";

/** What the messages of a source are, by their event names; `message` are those without. */
export interface AnyEvents {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in EventSource, what comes is the application's to know.
  readonly [event: string]: any;
}

/** The events of the source itself. */
interface OwnEvents {
  readonly open: CometOpenEvent;
  readonly gap: CometGapEvent;
  readonly error: CometErrorEvent;
  readonly close: CometCloseEvent;
}

type EventOf<Events, Type> = Type extends keyof OwnEvents
  ? OwnEvents[Type]
  : Type extends keyof Events
    ? CometMessageEvent<Events[Type]>
    : CometMessageEvent;

type Listener<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

/** Its listeners are typed by the names of events. */
export interface BareSource<Events> {
  addEventListener<Type extends string>(
    type: Type,
    listener: Listener<EventOf<Events, Type>>,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends string>(
    type: Type,
    listener: Listener<EventOf<Events, Type>>,
    options?: boolean | EventListenerOptions,
  ): void;
}

/**
 * A stream of a hub's messages, in the shape of an `EventSource`: it comes back with its position whenever its connection
 * ends, breaks or falls silent, so that every message comes once, or a `gap` says what is missing. It has the one wire that it is given:
 * a bundler leaves out all others. `CometSource` chooses among several, and can be iterated.
 *
 * Messages are events: `message`, or the name that they were published with. Its own events are `open`, `gap`, `error` and `close`.
 * It lives until `close()` is called or the server ends it for good.
 *
 * @throws {TypeError} at the constructor, if the address is none; {SyntaxError} if its `lastEventId` is no position.
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- only the types of its methods are declared.
export class BareSource<Events = AnyEvents> extends EventTarget {
  static readonly CONNECTING: 0 = CONNECTING;
  static readonly OPEN: 1 = OPEN;
  static readonly CLOSED: 2 = CLOSED;
  readonly CONNECTING: 0 = CONNECTING;
  readonly OPEN: 1 = OPEN;
  readonly CLOSED: 2 = CLOSED;

  /** The address, complete. */
  readonly url: string;
  readonly withCredentials: boolean;
  onopen: ((event: CometOpenEvent) => void) | null = null;
  onmessage:
    | ((event: CometMessageEvent<EventOf<Events, "message"> extends CometMessageEvent<infer D> ? D : never>) => void)
    | null = null;
  ongap: ((event: CometGapEvent) => void) | null = null;
  onerror: ((event: CometErrorEvent) => void) | null = null;
  onclose: ((event: CometCloseEvent) => void) | null = null;
  /** @internal */
  protected readonly follower: Follower;
  #readyState: 0 | 1 | 2 = CONNECTING;
  #wire: Wire | undefined;

  constructor(url: string | URL, options: FollowOptions) {
    super();
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- there is no location outside of pages and workers.
    const address = new URL(url, globalThis.location?.href);
    const { href, origin } = address;
    this.url = href;
    this.withCredentials = options.withCredentials ?? false;
    for (const type of ["open", "message", "gap", "error", "close"]) {
      super.addEventListener(type, (event) =>
        (this as never as Record<string, ((e: Event) => void) | null>)[`on${type}`]?.(event),
      );
    }
    const tell = (type: string, members: object): unknown =>
      this.dispatchEvent(Object.assign(new Event(type), members));
    const ended = (reason: CometCloseEvent["reason"]): void => {
      this.#readyState = CLOSED;
      tell("close", { reason });
    };
    this.follower = follower(address, options, {
      opened: (states, wire) => {
        if (this.#readyState === OPEN && this.#wire === wire) return;
        this.#readyState = OPEN;
        this.#wire = wire;
        tell("open", { states, wire });
      },
      message: ({ event = "message", key, messageId, data }, lastEventId) => {
        const message = new MessageEvent<unknown>(event, { data, lastEventId, origin });
        this.dispatchEvent(Object.assign(message, { key, messageId }));
      },
      gap: ({ topic, missed }) => tell("gap", { topic, missed }),
      lost: ({ code, detail, status }, retryMs) => {
        this.#readyState = retryMs === null ? CLOSED : CONNECTING;
        tell("error", { code, detail, status, retryMs });
        if (retryMs === null) ended("error");
      },
      ended,
    });
    this.follower.start();
  }

  /** 0 while it is connecting or waits to come back, 1 while it is open, 2 once it is closed. */
  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  /** The position: what to come back with. */
  get lastEventId(): string {
    return this.follower.position();
  }

  /** Closes the connection. No event tells of it. */
  close(): void {
    this.#readyState = CLOSED;
    this.follower.stop();
  }
}
