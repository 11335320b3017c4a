import {
  CometEvent,
  type CometCloseEvent,
  type CometErrorEvent,
  type CometGapEvent,
  type CometMessageEvent,
  type CometOpenEvent,
} from "./events.ts";
import { Follower, type FollowOptions } from "./follower.ts";
import type { Received } from "./wire.ts";

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

/** What one iteration has not read yet. */
interface Inbox {
  readonly messages: CometMessageEvent[];
  wake: () => void;
}

/** A reader that is so many messages behind is given no more until it has read them. */
const MOST_UNREAD = 1000;

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
 * ends, breaks or falls silent, on another wire if need be, so that every message comes once, or a `gap` says what is missing.
 * It is
 * `CometSource` with the one wire that it is given, so that a bundler leaves out the others.
 *
 * Messages are events: `message`, or the name that they were published with. Its own events are `open`, `gap`, `error` and `close`.
 * It is also an `AsyncIterable` of all messages. It lives until `close()` is called or the server ends it for good.
 *
 * @throws {TypeError} at the constructor, if the address is none.
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
  readonly #follower: Follower;
  readonly #origin: string;
  readonly #inboxes = new Set<Inbox>();
  #readyState: 0 | 1 | 2 = CONNECTING;
  #isPaused = false;
  /** What there was no coming back from. */
  #error: Event | undefined;

  constructor(url: string | URL, options: FollowOptions) {
    super();
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- there is no location outside of pages and workers.
    const address = new URL(url, globalThis.location?.href);
    this.url = address.href;
    this.#origin = address.origin;
    this.withCredentials = options.withCredentials ?? false;
    for (const type of ["open", "message", "gap", "error", "close"]) {
      super.addEventListener(type, (event) =>
        (this as never as Record<string, ((e: Event) => void) | null>)[`on${type}`]?.(event),
      );
    }
    const tell = (type: string, members: object): Event => {
      const event = new CometEvent(type, members);
      this.dispatchEvent(event);
      return event;
    };
    const ended = (reason: CometCloseEvent["reason"]): void => {
      this.#readyState = CLOSED;
      this.#wake();
      tell("close", { reason });
    };
    this.#follower = new Follower(address, options, {
      opened: ({ states }, { name }) => {
        if (this.#readyState === OPEN) return;
        this.#readyState = OPEN;
        tell("open", { states, wire: name });
      },
      message: (item, position) => this.#message(item, position),
      gap: (gap) => tell("gap", gap),
      lost: (failure, retryMs) => {
        this.#readyState = retryMs === null ? CLOSED : CONNECTING;
        const error =
          failure && tell("error", { code: failure.code, detail: failure.detail, status: failure.status, retryMs });
        if (retryMs !== null) return;
        this.#error = error;
        ended("error");
      },
      ended,
    });
    this.#follower.start();
  }

  /** 0 while it is connecting or waits to come back, 1 while it is open, 2 once it is closed. */
  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  /** The position: what to come back with. */
  get lastEventId(): string {
    return this.#follower.position;
  }

  /** Closes the connection, and ends all iterations once they have read what came before. No event tells of it. */
  close(): void {
    this.#readyState = CLOSED;
    this.#follower.stop();
    this.#wake();
  }

  /**
   * All messages from now on, whatever their names. It ends when the source is closed, and throws the `error` event after which there
   * is no coming back. While a reader has 1,000 messages to read there is no connection: what comes next is asked of the hub's log.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<CometMessageEvent, void, undefined> {
    const inbox: Inbox = { messages: [], wake: () => undefined };
    this.#inboxes.add(inbox);
    try {
      for (;;) {
        for (let next = inbox.messages.shift(); next !== undefined; next = inbox.messages.shift()) yield next;
        if (this.#readyState === CLOSED) break;
        this.#resume();
        await new Promise<void>((resolve) => (inbox.wake = resolve));
      }
      if (this.#error !== undefined) throw this.#error;
    } finally {
      this.#inboxes.delete(inbox);
      this.#resume();
    }
  }

  #resume(): void {
    if (!this.#isPaused || [...this.#inboxes].some(({ messages }) => messages.length > 0)) return;
    this.#isPaused = false;
    if (this.#readyState !== CLOSED) this.#follower.start();
  }

  #message({ event = "message", key, messageId, data }: Received, lastEventId: string): void {
    const message = new MessageEvent<unknown>(event, { data, lastEventId, origin: this.#origin });
    if (key !== undefined || messageId !== undefined) Object.assign(message, { key, messageId });
    for (const inbox of this.#inboxes) {
      inbox.wake();
      if (inbox.messages.push(message) < MOST_UNREAD) continue;
      this.#isPaused = true;
      this.#follower.stop();
    }
    this.dispatchEvent(message);
  }

  #wake(): void {
    for (const { wake } of this.#inboxes) wake();
  }
}
