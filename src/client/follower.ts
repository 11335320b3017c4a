import type { EndItem, EndReason, GapItem, OpenItem } from "../wire/item.ts";
import { Link } from "./link.ts";
import { Places } from "./places.ts";
import type { ClientWire, Failure, Received } from "./wire.ts";

/** How a page follows a hub. */
export interface FollowOptions {
  /** What to follow it over. */
  readonly wire: ClientWire;
  /** Whether requests to another origin carry cookies; false by default. */
  readonly withCredentials?: boolean;
  /**
   * Headers for every request, or what gives them; it is asked before each, and once more after a 401. With headers only wires
   * that can send them are used.
   */
  readonly headers?: HeadersInit | (() => HeadersInit | PromiseLike<HeadersInit>);
  /** The longest wait before the first attempt to come back, doubled with each further one: 1,000 ms by default. */
  readonly retryMs?: number;
  /** The longest wait of all: 30,000 ms by default. */
  readonly maxRetryMs?: number;
  /** How long a connection may take to open: 10,000 ms by default. */
  readonly openTimeoutMs?: number;
}

/** What a {@link Follower} tells. */
export interface FollowEvents {
  readonly opened: (open: OpenItem, wire: ClientWire) => void;
  /** `position` is the whole position once this message has come. */
  readonly message: (item: Received, position: string) => void;
  readonly gap: (gap: GapItem) => void;
  /** There is no connection: by a failure, or because the server said so. The next attempt comes after `retryMs`; never, if that is null. */
  readonly lost: (failure: Failure | undefined, retryMs: number | null) => void;
  /** The server has said that there is nothing to come back for. */
  readonly ended: (reason: EndReason) => void;
}

/** A connection that lasted so long was a good one: the next wait is a short one again. */
const GOOD_MS = 5000;

/** Follows the topics of one address, and keeps its place: PROTOCOL.md, section 6. */
export class Follower {
  readonly #url: URL;
  readonly #options: FollowOptions;
  readonly #on: FollowEvents;
  readonly #places = new Places();
  /** The connection whose messages are taken. */
  #link: Link | undefined;
  /** The one that is being opened, to take its place. */
  #next: Link | undefined;
  /** Tells an attempt whether there was another since. */
  #attempt = 0;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the application has been asked for other headers since the last connection. */
  #askedAgain = false;
  #listening: AbortController | undefined;

  constructor(url: URL, options: FollowOptions, on: FollowEvents) {
    this.#url = url;
    this.#options = options;
    this.#on = on;
    this.#keep(url.searchParams.get("lastEventId") ?? "");
  }

  get position(): string {
    return this.#places.toString();
  }

  /** Opens a connection, which takes the place of the one there may be. */
  start(): void {
    this.#listen();
    void this.#connect();
  }

  /** Lets go of every connection. It may be started again. */
  stop(): void {
    this.#listening?.abort();
    this.#listening = undefined;
    this.#drop();
  }

  #drop(): void {
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#next?.close();
    this.#link = this.#next = undefined;
  }

  /** A page that was asleep, away or offline looks at once whether its connection lives. */
  #listen(): void {
    if (this.#listening !== undefined || typeof addEventListener !== "function") return;
    this.#listening = new AbortController();
    const on = (types: string, listener: (event: Event) => void): void => {
      for (const type of types.split(" ")) addEventListener(type, listener, this.#listening);
    };
    const connect = (): void => void this.#connect();
    on("online", connect);
    // A page with an open stream is not kept for the back button; WebKit keeps it, with the stream silently dead.
    on("pagehide", () => this.#drop());
    on("pageshow", (event) => {
      if ((event as PageTransitionEvent).persisted) connect();
    });
    on("focus visibilitychange", () => this.#link?.check());
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timer);
    this.#next?.close();
    this.#next = undefined;
    this.#attempt += 1;
    const attempt = this.#attempt;
    const { headers, wire, openTimeoutMs = 10_000, withCredentials = false } = this.#options;
    let given: HeadersInit | undefined;
    let failure: Failure | undefined;
    try {
      given = await (typeof headers === "function" ? headers() : headers);
    } catch (error) {
      failure = { code: "ERR_HEADERS", detail: String(error) };
    }
    if (attempt !== this.#attempt) return;
    if (!wire.isPossible() || (given !== undefined && !wire.sendsHeaders)) {
      failure = { code: "ERR_WIRE", detail: "No wire can be had here.", retryMs: null };
    }
    if (failure !== undefined) {
      this.#failed(failure);
      return;
    }
    const url = new URL(this.#url);
    url.searchParams.set("lastEventId", this.position);
    const link: Link = new Link(wire, this.position, wire.patienceMs ?? openTimeoutMs, {
      received: (items) => this.#received(link, items),
      broken: (why) => this.#broken(link, why),
      worn: () => {
        if (link === this.#link && this.#next === undefined) void this.#connect();
      },
    });
    this.#next = link;
    link.open({ url, headers: given, withCredentials });
  }

  #received(link: Link, items: readonly Received[]): void {
    try {
      for (const item of items) {
        if (link.isOver) return;
        this.#take(link, item);
      }
    } catch (error) {
      this.#broken(link, { code: "ERR_FRAME", detail: String(error) });
    }
  }

  #take(link: Link, item: Received): void {
    const { open, gap, end, error } = item;
    if (error) this.#broken(link, error);
    else if (open) this.#opened(link, open);
    // What comes before a stream has begun is none of it.
    else if (link !== this.#link) return;
    else if ("data" in item) {
      const id = item.id as string;
      if (this.#places.keep(id)) this.#on.message(item, this.#places.size === 1 ? id : this.position);
    } else if (gap) this.#gap(gap);
    else if (end) this.#ended(link, end);
  }

  #opened(link: Link, open: OpenItem): void {
    const start = new Places();
    for (const part of link.start.split(",")) if (part !== "") start.keep(part);
    // A connection that takes over opens where we were when we asked for it. But a server that has lost its last messages opens before.
    for (const part of open.position.split(",")) {
      // Where there is a gap, it is the item `gap` that has us pass it: the connection may break before that.
      const state = open.states[decodeURIComponent(part.split("=", 1)[0] as string)];
      if (state === "fresh" || state === "recovered") this.#places.keep(part, start.since(part) > 0);
    }
    this.#link?.close();
    this.#link = link;
    this.#next = undefined;
    this.#askedAgain = false;
    link.opened(open.heartbeatMs);
    this.#on.opened(open, link.wire);
  }

  #keep(position: string): void {
    for (const part of position.split(",")) if (part !== "") this.#places.keep(part);
  }

  #gap(gap: GapItem): void {
    // What the connection before has delivered meanwhile, is not missing.
    if (gap.missed !== null && this.#places.since(gap.position) > 0) return;
    this.#places.keep(gap.position, true);
    this.#on.gap(gap);
  }

  #ended(link: Link, { reason, position, retryMs }: EndItem): void {
    this.#keep(position);
    link.close();
    this.#link = undefined;
    this.#failures = 0;
    if (retryMs === null) {
      if (reason === "unauthorized" && this.#askAgain()) return;
      this.stop();
      this.#on.ended(reason);
    } else if (this.#next === undefined) {
      this.#comeBack(retryMs);
      if (retryMs > 0) this.#on.lost(undefined, retryMs);
    }
  }

  #broken(link: Link, failure: Failure): void {
    link.close();
    if (link === this.#link) {
      this.#link = undefined;
      if (link.lastedMs() > GOOD_MS) this.#failures = 0;
      if (this.#next === undefined) this.#failed(failure);
    } else {
      this.#next = undefined;
      if (failure.status !== 401 || !this.#askAgain()) this.#failed(failure);
    }
  }

  /** @returns Whether the application has other headers to give. */
  #askAgain(): boolean {
    if (this.#askedAgain || typeof this.#options.headers !== "function") return false;
    this.#askedAgain = true;
    void this.#connect();
    return true;
  }

  #failed(failure: Failure): void {
    const { status = 0, retryMs: atLeastMs = 0 } = failure;
    // 408, 425 and 429 pass.
    if (atLeastMs === null || (status >= 400 && status < 500 && !/408|425|429/.test(String(status)))) {
      this.stop();
      this.#on.lost(failure, null);
      return;
    }
    const { retryMs = 1000, maxRetryMs = 30_000 } = this.#options;
    const waitMs = Math.max(atLeastMs, Math.random() * Math.min(maxRetryMs, retryMs * 2 ** this.#failures));
    this.#failures += 1;
    this.#comeBack(waitMs);
    if (this.#link === undefined) this.#on.lost(failure, waitMs);
  }

  #comeBack(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), afterMs);
  }
}
