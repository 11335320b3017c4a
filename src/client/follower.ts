import type { EndItem, EndReason, GapItem, OpenItem, Wire } from "../wire/item.ts";
import { Places } from "./places.ts";
import { noWire, type ClientWire, type Failure, type Received } from "./wire.ts";

/** How a page follows a hub. */
export interface FollowOptions {
  /** What to follow it over. */
  readonly wire: ClientWire;
  /** Whether requests to another origin carry cookies; false by default. */
  readonly withCredentials?: boolean;
  /** The longest wait before the first attempt to come back, doubled with each further one: 1,000 ms by default. */
  readonly retryMs?: number;
  /** The longest wait of all: 30,000 ms by default. */
  readonly maxRetryMs?: number;
  /** How long a connection may take to open: 10,000 ms by default. */
  readonly openTimeoutMs?: number;
}

/** What a {@link Follower} tells. */
export interface FollowEvents {
  readonly opened: (states: OpenItem["states"], wire: Wire) => void;
  /** `position` is the whole position once this message has come. */
  readonly message: (item: Received, position: string) => void;
  readonly gap: (gap: GapItem) => void;
  /** There is no connection. The next attempt comes after `retryMs`; never, if that is null. */
  readonly lost: (failure: Failure, retryMs: number | null) => void;
  /** The server has said that there is nothing to come back for. */
  readonly ended: (reason: EndReason) => void;
}

/** What follows the topics of one address, and keeps its place: PROTOCOL.md, section 6. */
export interface Follower {
  readonly position: () => string;
  /** Opens a connection, which takes the place of the one there may be. */
  readonly start: () => void;
  /** Lets go of every connection. It may be started again. */
  readonly stop: () => void;
}

/** One connection. */
interface Link {
  /** Looks whether it is silent for too long. */
  readonly check: () => void;
  /** Lets go of it: nothing more is told of it. */
  readonly close: () => void;
}

/** A connection that lasted so long was a good one: the next wait is a short one again. */
const GOOD_MS = 5000;
/** The statuses of refusals that do not pass. */
const FINAL = /^4(?!08|25|29)/;

/** Makes a follower, which is to be started. */
export function follower(url: URL, options: FollowOptions, on: FollowEvents): Follower {
  const { wire, openTimeoutMs = 10_000, retryMs = 1000, maxRetryMs = 30_000, withCredentials } = options;
  const places = new Places(url.searchParams.get("lastEventId") ?? "");
  /** The connection whose messages are taken. */
  let link: Link | undefined;
  /** The one that is being opened, to take its place. */
  let next: Link | undefined;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let listening: AbortController | undefined;
  /** Whether the last of several polls has just ended. */
  let isPolling = false;

  function connect(): void {
    clearTimeout(timer);
    next?.close();
    const request = { url, position: String(places), isFirst: !isPolling, withCredentials };
    isPolling = false;
    let isOver = false;
    let openedAt = Infinity;
    /** By the clock on the wall, which goes on while a machine sleeps. */
    let heardAt = Date.now();
    /** How long it may be silent, in milliseconds; 0: for as long as it likes. */
    let patienceMs = wire.patienceMs ?? openTimeoutMs;
    let silence: ReturnType<typeof setTimeout> | undefined;
    let letGo: (() => void) | undefined;

    const self: Link = (next = {
      check: () => {
        clearTimeout(silence);
        if (patienceMs === 0) return;
        const leftMs = heardAt + patienceMs - Date.now();
        if (leftMs > 0) silence = setTimeout(self.check, leftMs);
        else broken({ code: "ERR_SILENT", detail: `Silent for ${patienceMs} ms.` });
      },
      close: () => {
        isOver = true;
        clearTimeout(silence);
        letGo?.();
      },
    });

    const open = (): void => {
      if (isOver) return;
      self.check();
      if (wire.isPossible?.() === false) broken(noWire);
      else letGo = wire.open(request, { received, broken, worn });
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may have been over before there was anything to let go of.
      if (isOver) letGo?.();
    };

    const received = (items: readonly Received[]): void => {
      heardAt = Date.now();
      try {
        for (const item of items) if (!isOver) take(item);
      } catch (error) {
        broken({ code: "ERR_FRAME", detail: String(error) });
      }
    };

    const take = (item: Received): void => {
      const { open: opening, gap, end, error } = item;
      if ("data" in item) {
        const id = item.id as string;
        // What comes before a stream has begun is none of it.
        if (self === link && places.keep(id)) on.message(item, places.size === 1 ? id : String(places));
      } else if (error) broken(error);
      else if (opening) opened(opening);
      else if (self !== link) return;
      else if (gap) {
        // What the connection before has delivered meanwhile, is not missing.
        if (gap.missed !== null && places.since(gap.position) >= 0) return;
        places.keep(gap.position, true);
        on.gap(gap);
      } else if (end) ended(end);
    };

    const opened = ({ position: begins, states, heartbeatMs }: OpenItem): void => {
      const start = new Places(request.position);
      // A connection that takes over opens where we were when we asked for it. But a server that has lost its last messages opens before.
      for (const part of begins.split(",")) {
        // Where there is a gap, it is the item `gap` that has us pass it: the connection may break before that.
        const state = states[decodeURIComponent(part.split("=")[0] as string)];
        if (state === "fresh" || state === "recovered") places.keep(part, start.since(part) > 0);
      }
      if (self !== link) link?.close();
      link = self;
      next = undefined;
      openedAt = Date.now();
      patienceMs = 2 * heartbeatMs;
      self.check();
      on.opened(states, wire.name);
    };

    const ended = ({ reason, position: ends, retryMs: waitMs }: EndItem): void => {
      places.add(ends);
      self.close();
      link = undefined;
      failures = 0;
      isPolling = reason === "poll";
      if (waitMs === null) {
        stop();
        on.ended(reason);
      } else if (!next) comeBack(waitMs, waitMs > 0 && { code: "ERR_ENDED", detail: reason });
    };

    const broken = (failure: Failure): void => {
      if (isOver) return;
      self.close();
      if (self === link) {
        link = undefined;
        if (Date.now() - openedAt > GOOD_MS) failures = 0;
        if (next) return;
      } else next = undefined;
      const { status, retryMs: atLeastMs = 0 } = failure;
      if (atLeastMs === null || FINAL.test(String(status))) {
        stop();
        on.lost(failure, null);
      } else {
        comeBack(Math.max(atLeastMs, Math.random() * Math.min(maxRetryMs, retryMs * 2 ** failures++)), failure);
      }
    };

    const worn = (): void => {
      if (self === link && !next) connect();
    };

    // Who makes a source is to hear everything of it.
    queueMicrotask(open);
  }

  function comeBack(waitMs: number, failure: Failure | false): void {
    clearTimeout(timer);
    timer = setTimeout(connect, waitMs);
    if (failure && !link) on.lost(failure, waitMs);
  }

  function check(): void {
    link?.check();
  }

  function drop(): void {
    clearTimeout(timer);
    link?.close();
    next?.close();
    link = next = undefined;
  }

  function stop(): void {
    listening?.abort();
    listening = undefined;
    drop();
  }

  function start(): void {
    connect();
    if (listening) return;
    listening = new AbortController();
    // A page that was asleep, away or offline looks at once whether its connection lives.
    const listeners: Record<string, () => void> = {
      online: connect,
      // A page with an open stream is not kept for the back button; WebKit keeps it, with the stream silently dead.
      pagehide: drop,
      pageshow: () => {
        if (!link && !next) connect();
      },
      visibilitychange: check,
    };
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- there is none in Node.
    for (const type in listeners) globalThis.addEventListener?.(type, listeners[type] as () => void, listening);
  }

  return { position: () => String(places), start, stop };
}
