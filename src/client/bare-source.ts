import type { Outcome, Wire } from "../wire/item.ts";
import type { FollowOptions, OverItem, WireFailure } from "./client-wire.ts";
import { createMessage } from "./comet-message.ts";
import type { AnyEvents, EventName, EventOf, SourceListener } from "./event-map.ts";
import { createFollower, type Follower } from "./follower.ts";
import { ListenerTable } from "./listener-table.ts";

/** The types of {@link OwnEvents}. */
const ownTypes = ["open", "gap", "ended", "missing", "error", "close"];

/** The codes of topics that are missing, by the status, and of one that has failed without a code of its own. */
const endCodes = { 404: "ERR_TOPIC_UNKNOWN", 410: "ERR_TOPIC_EXPIRED", undefined: "ERR_FAILED" } as const;

/** The failure of a source whose topics are over, if one of them has failed or is missing. */
function failureOf(over: readonly OverItem[]): WireFailure | undefined {
  // A missing topic has no outcome, and one of a later version is no success.
  const failed = over.find(({ outcome }) => outcome !== "stopped" && outcome !== "complete");
  if (!failed) return undefined;
  const { topic, status, message: detail = topic, code = endCodes[`${status}`] } = failed;
  return { code, detail, status };
}

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
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the constructor sets the accessors of the interface.
export class BareSource<Events = AnyEvents> extends EventTarget {
  static readonly CONNECTING: 0 = CONNECTING;
  static readonly OPEN: 1 = OPEN;
  static readonly CLOSED: 2 = CLOSED;
  readonly CONNECTING: 0 = CONNECTING;
  readonly OPEN: 1 = OPEN;
  readonly CLOSED: 2 = CLOSED;

  declare readonly withCredentials: boolean;
  declare ongap: ((event: EventOf<Events, "gap">) => void) | null;
  declare onended: ((event: EventOf<Events, "ended">) => void) | null;
  declare onmissing: ((event: EventOf<Events, "missing">) => void) | null;
  declare onclose: ((event: EventOf<Events, "close">) => void) | null;
  /** @internal */
  declare protected readonly follower: Follower;
  readonly #address: URL;
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
    this.#address = address;
    this.withCredentials = options.withCredentials ?? false;
    for (const type of ["message", ...ownTypes]) {
      const name = `on${type}` as "onmessage";
      this[name] = null;
      this.addEventListener(type as never, (event: Event) => this[name]?.(event as MessageEvent));
    }
    const emit = (type: string, members: object): void => {
      if (this.#isClosedByPage) return;
      const event = new Event(type) as object as Record<string, unknown>;
      // An item of a later version may have a member with the name of one of `Event`, which cannot be set.
      for (const name in members) if (!(name in event)) event[name] = members[name as never];
      this.dispatchEvent(event as object as Event);
    };
    this.follower = createFollower(address, options, {
      opened: ({ states }, wire) => {
        if (this.#readyState === OPEN && this.#wire === wire) return;
        this.#readyState = OPEN;
        this.#wire = wire;
        emit("open", { states, wire });
      },
      message: (item, parts) => this.dispatchEvent(createMessage(item, parts, address.origin, this)),
      noted: emit,
      lost: (failure, retryMs) => {
        this.#readyState = CONNECTING;
        if (failure) emit("error", { ...failure, retryMs });
      },
      closed: (reason, over, failure = reason === "gone" ? failureOf(over) : undefined) => {
        const outcome = over.some(({ outcome }) => outcome === "stopped") ? "stopped" : over[0]?.outcome;
        this.#readyState = CLOSED;
        this.#outcome = failure || reason !== "gone" ? "failed" : outcome;
        if (failure) emit("error", { ...failure, retryMs: null });
        emit("close", { reason, outcome: this.#outcome });
      },
    });
    this.follower.start();
  }

  override addEventListener<Name extends EventName<Events>>(
    type: Name,
    listener: SourceListener<EventOf<Events, Name>>,
    options?: boolean | AddEventListenerOptions,
  ): void {
    if (ownTypes.includes(type)) super.addEventListener(type, listener as EventListener, options);
    else if (listener) this.#listeners.add(type, listener, Object(options) as AddEventListenerOptions);
  }

  override removeEventListener<Name extends EventName<Events>>(
    type: Name,
    listener: SourceListener<EventOf<Events, Name>>,
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

  /** The absolute address, with the topics of now. */
  get url(): string {
    return this.#address.href;
  }

  /**
   * The topics of the address. Others can be set at any time: the source closes its connection and opens another.
   *
   * All changes of one task make one reconnection, and the same topics make none. Topics that stay resume without loss,
   * new ones begin as the parameter `from` says, and no further message of a topic that is left out is dispatched. It
   * has no effect once the source is closed, nor where the server's handler names the topics. A list without topics is
   * refused by the hub, which closes the source (`ERR_TOPIC`).
   */
  get topics(): string[] {
    return this.#address.searchParams.getAll("topic");
  }
  set topics(names: Iterable<string>) {
    this.follower.setTopics(names);
  }

  /**
   * Closes the connection and opens another at once, as after a login: with new headers and cookies, and without backoff,
   * but no sooner than the server allows. It resumes without loss, and dispatches no event unless it fails. It does
   * nothing once the source is closed.
   */
  reconnect(): void {
    this.follower.reconnect();
  }

  /** Closes the connection. It dispatches no event, and the source cannot be opened again. */
  close(): void {
    this.#isClosedByPage = true;
    this.#readyState = CLOSED;
    this.follower.stop();
  }
}

/**
 * The handlers of an `EventSource`. They are read with its types, so that a source can be used where an `EventSource`
 * is asked for.
 */
export interface BareSource<Events = AnyEvents> {
  get onopen(): ((event: Event) => void) | null;
  set onopen(handler: ((event: EventOf<Events, "open">) => void) | null);
  get onmessage(): ((event: MessageEvent) => void) | null;
  set onmessage(handler: ((event: EventOf<Events, "message">) => void) | null);
  get onerror(): ((event: Event) => void) | null;
  set onerror(handler: ((event: EventOf<Events, "error">) => void) | null);
}
