import type {
  CometCloseEvent,
  CometEndedEvent,
  CometErrorEvent,
  CometGapEvent,
  CometMessageEvent,
  CometMissingEvent,
  CometOpenEvent,
} from "./comet-events.ts";
import type { Outcome, Wire } from "../wire/item.ts";
import type { FollowOptions, WireFailure } from "./client-wire.ts";
import { createMessage } from "./comet-message.ts";
import { createFollower, type Follower } from "./follower.ts";
import { ListenerTable } from "./listener-table.ts";

/**
 * The default types of a source's messages: `any`, whatever their event name. `message` is the name of those without
 * one.
 */
export interface AnyEvents {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as in EventSource: only the application knows the types.
  readonly [event: string]: any;
}

/** The events of the source itself. */
export interface OwnEvents {
  readonly open: CometOpenEvent;
  readonly gap: CometGapEvent;
  readonly ended: CometEndedEvent;
  readonly missing: CometMissingEvent;
  readonly error: CometErrorEvent;
  readonly close: CometCloseEvent;
}

export type EventOf<Events, Type> = Type extends keyof OwnEvents
  ? OwnEvents[Type]
  : Type extends keyof Events
    ? CometMessageEvent<Events[Type]>
    : CometMessageEvent;

export type SourceListener<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;

/** The types of {@link OwnEvents}. */
const ownTypes = ["open", "gap", "ended", "missing", "error", "close"];

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

/**
 * Follows a hub's topics over one wire, in the shape of an `EventSource`. A bundler leaves out all other wires;
 * `CometSource` chooses among several and is iterable.
 *
 * It reconnects with its position whenever its connection ends, breaks or times out, so each message arrives once; a
 * `gap` event reports messages that are missing. Messages are events: `message`, or the name that they were published
 * with. Its own events are `open`, `gap`, `ended`, `missing`, `error` and `close`. It lives until `close()` is called,
 * all its topics have ended, the server ends it for good, or an error is fatal.
 *
 * `readyState` changes before the event that reports it, as the standard demands. Members of `EventSource` keep its
 * types.
 *
 * @throws {TypeError} if the address is invalid, or, with the code `ERR_URL`, neither http nor https; {SyntaxError} if
 *   its `lastEventId` is malformed.
 * @example
 * new BareSource("/live?topic=news", { wire: ndjson }).onmessage = ({ data }) => console.log(data);
 */
export class BareSource<Events = AnyEvents> extends EventTarget {
  static readonly CONNECTING: 0 = CONNECTING;
  static readonly OPEN: 1 = OPEN;
  static readonly CLOSED: 2 = CLOSED;
  readonly CONNECTING: 0 = CONNECTING;
  readonly OPEN: 1 = OPEN;
  readonly CLOSED: 2 = CLOSED;

  /** The absolute address. */
  declare readonly url: string;
  declare readonly withCredentials: boolean;
  declare onopen: ((event: CometOpenEvent) => void) | null;
  declare onmessage:
    | ((event: CometMessageEvent<EventOf<Events, "message"> extends CometMessageEvent<infer D> ? D : never>) => void)
    | null;
  declare ongap: ((event: CometGapEvent) => void) | null;
  declare onended: ((event: CometEndedEvent) => void) | null;
  declare onmissing: ((event: CometMissingEvent) => void) | null;
  declare onerror: ((event: CometErrorEvent) => void) | null;
  declare onclose: ((event: CometCloseEvent) => void) | null;
  /** @internal */
  declare protected readonly follower: Follower;
  #readyState: 0 | 1 | 2 = CONNECTING;
  #wire: Wire | undefined;
  #outcome: Outcome | undefined;
  #isClosedByPage = false;
  /** The listeners of messages: to dispatch them as the browser does takes longer than everything else for a message. */
  readonly #listeners = new ListenerTable();

  constructor(url: string | URL, options: FollowOptions) {
    super();
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- workers have no document, and Node has no location.
    const address = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
    // A frame would run `javascript:` in this page, whatever `fetch` and `EventSource` refuse.
    if (!/^https?:$/.test(address.protocol)) throw Object.assign(new TypeError(`No http: ${url}`), { code: "ERR_URL" });
    // `fetch` refuses them. A relative address inherits those of the page.
    address.username = address.password = "";
    this.url = address.href;
    this.withCredentials = options.withCredentials ?? false;
    for (const type of ["message", ...ownTypes]) {
      const name = `on${type}` as "onmessage";
      this[name] = null;
      this.addEventListener(type, (event) => this[name]?.(event as never));
    }
    const emit = (type: string, members: object): unknown =>
      this.#isClosedByPage || this.dispatchEvent(Object.assign(new Event(type), members));
    const fail = ({ code, detail, status }: WireFailure, retryMs: number | null): unknown =>
      emit("error", { code, detail, status, retryMs });
    const close = (reason: CometCloseEvent["reason"], outcome?: Outcome, failure?: WireFailure): void => {
      this.#readyState = CLOSED;
      this.#outcome = outcome;
      if (failure) fail(failure, null);
      emit("close", { reason, outcome });
    };
    this.follower = createFollower(address, options, {
      opened: (states, wire) => {
        if (this.#readyState === OPEN && this.#wire === wire) return;
        this.#readyState = OPEN;
        this.#wire = wire;
        emit("open", { states, wire });
      },
      message: (item, parts) => this.dispatchEvent(createMessage(item, parts, address.origin, this)),
      gap: ({ topic, missed }) => emit("gap", { topic, missed }),
      ended: ({ topic, outcome, code, message }) => emit("ended", { topic, outcome, code, message }),
      missing: ({ topic, status }) => emit("missing", { topic, status }),
      lost: (failure, retryMs) => {
        if (retryMs === null) close("error", "failed", failure);
        else {
          this.#readyState = CONNECTING;
          fail(failure, retryMs);
        }
      },
      closed: (reason, over) => {
        const stopped = over.find(({ outcome }) => outcome === "stopped");
        // A missing topic has no outcome, and one of a later version is no success.
        const failed = over.find(({ outcome }) => outcome !== "stopped" && outcome !== "complete");
        if (reason !== "gone") close(reason, "failed");
        else if (failed) {
          const { topic, status, message = topic } = failed;
          const code = status ? (status === 404 ? "ERR_TOPIC_UNKNOWN" : "ERR_TOPIC_EXPIRED") : "ERR_FAILED";
          close(reason, "failed", { code: failed.code ?? code, detail: message, ...(status && { status }) });
        } else close(reason, (stopped ?? over[0])?.outcome);
      },
    });
    this.follower.start();
  }

  override addEventListener<Type extends string>(
    type: Type,
    listener: SourceListener<EventOf<Events, Type>>,
    options?: boolean | AddEventListenerOptions,
  ): void {
    if (ownTypes.includes(type)) super.addEventListener(type, listener as EventListener, options);
    else if (listener) this.#listeners.add(type, listener, Object(options) as AddEventListenerOptions);
  }

  override removeEventListener<Type extends string>(
    type: Type,
    listener: SourceListener<EventOf<Events, Type>>,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as EventListener, options);
    if (listener) this.#listeners.get(type)?.delete(listener);
  }

  override dispatchEvent(event: Event): boolean {
    if (ownTypes.includes(event.type) && !(event instanceof MessageEvent)) return super.dispatchEvent(event);
    this.#listeners.call(event, this);
    return !event.defaultPrevented;
  }

  /** 0 while it connects or backs off, 1 while it is open, 2 once it is closed. */
  get readyState(): 0 | 1 | 2 {
    return this.#readyState;
  }

  /**
   * The outcome of the source: `undefined` until it is over, after its own `close()`, and where no topic has ended.
   *
   * - `failed`: a topic has failed or is missing, an error was fatal, or the server withdrew its permission.
   * - `stopped`: somebody stopped a topic, and none has failed.
   * - `complete`: all topics are complete.
   */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** The position from which a source resumes if it is given as the parameter `lastEventId`. */
  get lastEventId(): string {
    return this.follower.position();
  }

  /** Closes the connection. It dispatches no event, and the source cannot be opened again. */
  close(): void {
    this.#isClosedByPage = true;
    this.#readyState = CLOSED;
    this.follower.stop();
  }
}
