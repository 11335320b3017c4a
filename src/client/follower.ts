import { backoffDelay } from "../core/backoff.ts";
import type { EndItem, EndReason, OpenItem } from "../wire/item.ts";
import { ClientPosition } from "./client-position.ts";
import {
  connectionLost,
  noWire,
  type FollowEvents,
  type FollowOptions,
  type OverItem,
  type ReceivedItem,
  type WireFailure,
} from "./client-wire.ts";

/** Follows the topics of one address and keeps the position, over any number of connections: PROTOCOL.md, section 6. */
export interface Follower {
  readonly position: () => string;
  /** Opens a connection, which replaces the current one when it has opened. */
  readonly start: () => void;
  /** Closes all connections. The follower can be started again, and then resumes. */
  readonly stop: () => void;
  /** Closes all connections and opens another, no sooner than the server allows. It does nothing while stopped. */
  readonly reconnect: () => void;
  /** Replaces the topics of the address, forgets the positions of those that it leaves out, and reconnects. */
  readonly setTopics: (names: Iterable<string>) => void;
}

/** One connection of a follower. */
interface FollowerConnection {
  /** Breaks the connection if its idle timeout has passed; otherwise checks again when it will have. */
  readonly check: () => void;
  readonly broken: (failure: WireFailure) => void;
  /** Closes the connection, which emits nothing more. */
  readonly close: () => void;
}

/** A shorter connection with nothing new in it does not reset the backoff: a cache may have replayed it. */
const SLOW_MS = 1000;
/** After this number of reconnections in a row, each waits for `SLOW_MS` or longer, whatever the options. */
const MAX_FAST = 9;
/** The time after `beforeunload` in which a browser cuts the connections of a page that it is leaving. */
const LEAVING_MS = 10_000;
/** The permanent statuses: 4xx except 408, 425 and 429, and 2xx except 200, as an `EventSource` stops after a 204. */
const PERMANENT = /^(4(?!08|25|29)|2(?!00))/;

/**
 * Creates a {@link Follower}, which is not started.
 *
 * At most two connections exist: the current one, whose messages count, and the next one, which is opening to replace
 * it. The position moves before a message is emitted. A listener may call `stop`, `start`, `reconnect` or `setTopics`
 * from within any callback, so nothing after a callback may rely on the state before it.
 */
export function createFollower(url: URL, options: FollowOptions, on: FollowEvents): Follower {
  const { wire, openTimeoutMs = 10_000, backoffMs = 1000, maxBackoffMs = 30_000, withCredentials } = options;
  const { searchParams } = url;
  const position = new ClientPosition(searchParams.get("lastEventId") ?? "");
  /** The connection whose messages count. */
  let current: FollowerConnection | undefined;
  /** The connection that is opening, to replace the current one. */
  let next: FollowerConnection | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let listening: AbortController | undefined;
  /** The number of reconnections in a row that brought nothing. */
  let failures = 0;
  /** When the server lets the client reconnect, at the earliest, and until when the page is probably being left. */
  let earliest = 0;
  let leavingUntil = 0;
  /** Whether the last response of several polls has just ended. */
  let isPolling = false;
  /** The topics that have ended or are missing, by name. */
  const over = new Map<string, OverItem>();
  /** The topics of the newest stream. */
  let topics = new Set<string>();

  /** Whether nothing follows. The client must not reconnect then: its topics may have expired by now. */
  function isDone(): boolean {
    const parts: unknown[] = [...position.values()];
    return over.size > 0 && [...topics].every((topic) => parts.includes(over.get(topic)?.position));
  }

  function connect(): void {
    clearTimeout(timer);
    next?.close();
    const request = { url, position: String(position), isFirst: !isPolling, withCredentials };
    isPolling = false;
    let isOver = false;
    const startedAt = Date.now();
    /** When the last items arrived, by the wall clock: it runs on while a machine sleeps. */
    let receivedAt = startedAt;
    let idleTimeoutMs = wire.idleTimeoutMs ?? openTimeoutMs;
    let idleTimer: ReturnType<typeof setTimeout> | undefined;
    let close: (() => void) | undefined;

    const check = (): void => {
      clearTimeout(idleTimer);
      if (idleTimeoutMs === 0) return;
      const leftMs = receivedAt + idleTimeoutMs - Date.now();
      if (leftMs > 0) idleTimer = setTimeout(check, leftMs);
      else broken({ code: "ERR_SILENT", detail: `Silent for ${idleTimeoutMs} ms.` });
    };

    const self: FollowerConnection = (next = {
      check,
      broken,
      close: () => {
        isOver = true;
        clearTimeout(idleTimer);
        close?.();
      },
    });

    const open = (): void => {
      if (isOver) return;
      check();
      if (wire.isPossible?.() === false) broken(noWire);
      else close = wire.open(request, { received, broken, expiring });
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- the wire may have failed before `close` was assigned.
      if (isOver) close?.();
    };

    const received = (items: readonly ReceivedItem[]): void => {
      receivedAt = Date.now();
      try {
        for (const item of items) if (!isOver) take(item);
      } catch (error) {
        broken({ code: "ERR_FRAME", detail: String(error) });
      }
    };

    const take = (item: ReceivedItem): void => {
      const { open: opening, gap, ended, missing, end, error } = item;
      const left = ended ?? missing;
      if ("data" in item) {
        // A message before the `open` item belongs to no stream.
        if (self === current && position.keep(item.id as string)) on.message(item, [...position.values()]);
      } else if (error) broken(error);
      else if (opening) opened(opening);
      else if (self !== current) return;
      else if (gap) {
        // The connection before may have delivered the messages that are missing in this one.
        if (gap.missed !== null && position.since(gap.position) >= 0) return;
        position.keep(gap.position, true);
        on.noted("gap", gap);
      } else if (left) {
        const known = over.get(left.topic);
        if (ended) position.keep(ended.position);
        // A connection that begins before the end of a topic, or at it, sends it again. A topic that has ended expires:
        // the client has all of it.
        if (ended ? known?.position === ended.position : known?.position || known?.status === missing?.status) return;
        over.set(left.topic, left);
        on.noted(ended ? "ended" : "missing", left);
      } else if (end) streamEnded(end);
    };

    const opened = (item: OpenItem): void => {
      const { position: begins, states, heartbeatMs } = item;
      const start = new ClientPosition(request.position);
      // A connection that replaces another opens at the position of its request. A server that lost its last messages
      // opens before it.
      for (const part of begins.split(",")) {
        // At a gap only the `gap` item moves the position, since the connection may break before that item.
        const state = states[decodeURIComponent(part.split("=")[0] as string)];
        if (state === "fresh" || state === "recovered") position.keep(part, start.since(part) > 0);
      }
      if (self !== current) current?.close();
      current = self;
      next = undefined;
      topics = new Set(Object.keys(states));
      idleTimeoutMs = 2 * heartbeatMs;
      check();
      on.opened(item, wire.name);
    };

    const streamEnded = ({ reason, position: ends, retryMs }: EndItem): void => {
      position.add(ends);
      isPolling = reason === "poll";
      const isFailure = retryMs !== null && !isPolling && !wasUseful();
      leave(reason, retryMs, isFailure || retryMs ? { code: "ERR_ENDED", detail: reason } : undefined);
    };

    function broken(given: WireFailure): void {
      if (isOver) return;
      // Without a network it is not fatal: Firefox then takes an `EventSource` for refused.
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition, @typescript-eslint/no-unnecessary-boolean-literal-compare -- Node 20 has no navigator, and that of Node 24 has no such member.
      const isOffline = given.code === connectionLost.code && globalThis.navigator?.onLine === false;
      const failure: WireFailure = isOffline ? { code: "ERR_OFFLINE", detail: "Offline." } : given;
      const { status, retryMs = 0 } = failure;
      leave("error", PERMANENT.test(String(status)) ? null : retryMs, failure);
    }

    /** Whether the connection lasted or brought something new. */
    const wasUseful = (): boolean =>
      self === current && (Date.now() - startedAt >= SLOW_MS || String(position) !== request.position);

    /** Closes the connection, and reconnects or finishes, unless another is opening. */
    const leave = (reason: EndReason | "error", retryMs: number | null, failure: WireFailure | undefined): void => {
      self.close();
      if (wasUseful()) failures = 0;
      if (self === current) current = undefined;
      else next = undefined;
      if (isDone()) finish("gone");
      else if (retryMs === null) finish(reason, failure);
      else if (!next) reconnectAfter(retryMs, failure);
    };

    const expiring = (): void => {
      if (self === current && !next) connect();
    };

    // In a microtask, so that the code that makes a source can add its listeners first.
    queueMicrotask(open);
  }

  function reconnectAfter(retryMs: number, failure: WireFailure | undefined): void {
    const jitterMs = backoffDelay(failures++, backoffMs, maxBackoffMs);
    // A page that is being left neither reconnects nor reports an error: Firefox cuts the connections long before
    // `pagehide` if the next page is slow. A page that stays, as after a download, reconnects later.
    const leavingMs = leavingUntil - Date.now();
    const leastMs = Math.max(retryMs, failures > MAX_FAST ? SLOW_MS : 0);
    const delayMs = Math.max(leastMs, leavingMs, failure ? jitterMs : 0);
    earliest = Date.now() + leastMs;
    connectIn(delayMs);
    if (failure && !current && leavingMs <= 0) on.lost(failure, delayMs);
  }

  function connectIn(delayMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(connect, Math.max(0, delayMs));
  }

  function finish(reason: EndReason | "error", failure?: WireFailure): void {
    stop();
    on.closed(reason, [...over.values()], failure);
  }

  function drop(): void {
    clearTimeout(timer);
    current?.close();
    next?.close();
    current = next = undefined;
  }

  function stop(): void {
    listening?.abort();
    listening = undefined;
    drop();
  }

  /** Checks whether the connection lives. If there is none, it reconnects without backoff. */
  function wake(): void {
    current?.check();
    if (!current && !next) connectIn(Math.max(earliest, leavingUntil) - Date.now());
  }

  function reconnect(): void {
    if (!listening) return;
    drop();
    wake();
    on.lost();
  }

  function setTopics(names: Iterable<string>): void {
    const removed = new Set(searchParams.getAll("topic"));
    let isOther = false;
    searchParams.delete("topic");
    for (const name of new Set(names)) {
      searchParams.append("topic", name);
      isOther ||= !removed.delete(name);
    }
    for (const name of removed) {
      over.delete(name);
      topics.delete(name);
      position.delete(encodeURIComponent(name));
    }
    if (isOther || removed.size > 0) reconnect();
  }

  function start(): void {
    connect();
    if (listening) return;
    listening = new AbortController();
    const listeners: Record<string, () => unknown> = {
      // The connection may be of a network that is gone.
      online: reconnect,
      offline: () => (current ?? next)?.broken(connectionLost),
      focus: wake,
      visibilitychange: () => document.hidden || wake(),
      beforeunload: () => (leavingUntil = Date.now() + LEAVING_MS),
      // Browsers keep no page with an open stream for the back button; WebKit keeps it, with a stream that is silently
      // dead.
      pagehide: drop,
      // The page is back, and is not being left any more.
      pageshow: () => {
        leavingUntil = 0;
        wake();
      },
    };
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- there is none in Node.
    for (const type in listeners) globalThis.addEventListener?.(type, listeners[type] as () => void, listening);
  }

  return { position: () => String(position), start, stop, reconnect, setTopics };
}
