import { ClientPosition } from "../client-position.ts";
import type { ClientWire, ReceivedItem, WireEvents, WireRequest } from "../client-wire.ts";
import { leadTabs } from "./lead-tabs.ts";
import { memberLock, type TabMember, type TabMessage } from "./tab-message.ts";

/** A leader that has not acknowledged for this time is frozen: a member steals its lock. */
const LEADER_TIMEOUT_MS = 3000;
/** Jitter of that timeout, so that not all members steal at once. */
const LEADER_JITTER_MS = 1000;

/**
 * Wraps a wire so that all tabs of an origin share one connection, with the topics of all of them. Use it as the option
 * `share`.
 *
 * Sources share if their addresses differ only in their topics. One of them leads: it holds the connection and passes
 * on the items. When its tab closes, crashes or freezes, another source leads, and each resumes from its own position.
 * A source whose topics the hub refuses together with the others' gets a connection of its own.
 *
 * The leader's cookies and headers count for all: share only between tabs of one user. It needs the Web Locks and the
 * `BroadcastChannel` of a secure context; without them each source has a connection of its own.
 *
 * A lock names the leader, and each member holds a lock of its own. Never send a message instead of a lock: a crash
 * sends none.
 *
 * @example
 * new CometSource("/live?topic=news", { share: acrossTabs });
 */
export function acrossTabs(wire: ClientWire): ClientWire {
  /** The topics that have ended, over all connections of the source. */
  const ended = new Set<string>();
  const self = Object.assign(Object.create(wire) as ClientWire, {
    name: wire.name,
    idleTimeoutMs: 60_000,
    open: (request: WireRequest, events: WireEvents) =>
      isShareable(request)
        ? join(wire, request, events, ended, (name) => (self.name = name))
        : wire.open(request, events),
  });
  return self;
}

/**
 * Whether a source can share a connection: the browser has locks, and the source does not begin at `last:N` or
 * `since:TIME`, which depend on when it begins.
 */
function isShareable({ url }: WireRequest): boolean {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- there are none outside of secure contexts.
  if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return false;
  return !url.searchParams.get("from")?.includes(":");
}

/**
 * Joins the tabs that share a connection, as a member and as a candidate for the lead.
 * @returns A function that leaves them.
 */
function join(
  wire: ClientWire,
  request: WireRequest,
  events: WireEvents,
  ended: Set<string>,
  named: (name: ClientWire["name"]) => void,
): () => void {
  const key = keyOf(request) + (wire.isText ? " as text" : "");
  const { url, position } = request;
  const member: TabMember = { id: crypto.randomUUID(), topics: url.searchParams.getAll("topic"), position };
  const names = new Set(member.topics.map((topic) => encodeURIComponent(topic)));
  const known = new ClientPosition(position);
  // The source has left out a topic of which it has no position any more, and begins it anew.
  for (const topic of ended) if (!known.has(encodeURIComponent(topic))) ended.delete(topic);
  const missing = new Set<string>();
  const channel = new BroadcastChannel(key);
  const over = new AbortController();
  const { signal } = over;
  const isOver = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  /** Whether the member holds its lock. */
  let isPresent = false;
  let isAdmitted = false;
  /** The id of the leader that has acknowledged this member. */
  let leader: string | undefined;
  let ackTimer: ReturnType<typeof setTimeout> | undefined;
  let closeOwn: (() => void) | undefined;

  function leave(): void {
    over.abort();
    clearTimeout(ackTimer);
    channel.close();
  }

  function askToJoin(): void {
    channel.postMessage({ type: "join", member } satisfies TabMessage);
    clearTimeout(ackTimer);
    ackTimer = setTimeout(() => void lead({ steal: true }), LEADER_TIMEOUT_MS + Math.random() * LEADER_JITTER_MS);
  }

  /** Waits for the lock, and leads until the member leaves or another member steals the lock. Then it waits again. */
  async function lead(options: LockOptions): Promise<void> {
    let stop: (() => void) | undefined;
    try {
      await navigator.locks.request(key, options, () => {
        if (signal.aborted) return;
        return new Promise<void>((resolve) => {
          stop = leadTabs(key, wire, request, resolve);
          void isOver.then(resolve);
        });
      });
    } catch (error) {
      // An AbortError is a stolen lock, or a wait that `leave` aborted. Any other error means that the page may not use
      // locks.
      if ((error as Error).name !== "AbortError") goAlone();
    }
    stop?.();
    if (!signal.aborted) void lead({ signal });
  }

  function goAlone(): void {
    if (signal.aborted) return;
    leave();
    closeOwn = wire.open(request, {
      ...events,
      received: (items) => {
        named(wire.name);
        events.received(items);
      },
    });
  }

  const isOwn = (item: ReceivedItem): boolean => {
    const named = item.gap ?? item.ended ?? item.missing;
    if (named) return member.topics.includes(named.topic);
    return item.id === undefined || names.has(item.id.slice(0, item.id.indexOf("=")));
  };

  /** Passes on the member's own items. The leader's stream goes on when the topics of this member are over. */
  function pass(items: readonly ReceivedItem[]): void {
    const own = items.filter(isOwn);
    for (const item of own) {
      if (item.ended) ended.add(item.ended.topic);
      if (item.missing) missing.add(item.missing.topic);
    }
    if (member.topics.every((topic) => ended.has(topic) || missing.has(topic)))
      own.push({ end: { reason: "gone", position: "", retryMs: null } });
    events.received(own);
  }

  channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data.type === "join" || ("to" in data && data.to !== member.id)) return;
    if (data.type === "lead") {
      // An `end` item means nothing before the stream has opened.
      if (isAdmitted) events.received([{ end: { reason: "recycle", position: "", retryMs: 0 } }]);
      else if (isPresent) askToJoin();
    } else if (data.type === "ack") {
      if (!isAdmitted) leader = data.from;
      clearTimeout(ackTimer);
    } else if (data.type === "welcome") {
      if (isAdmitted) return;
      isAdmitted = true;
      leader = data.from;
      named(data.wire);
      pass(data.items);
    } else if (data.from !== leader) return;
    else if (data.type === "alone") goAlone();
    else if (data.type === "lost") events.broken(data.failure);
    else if (isAdmitted) pass(data.items);
  };

  navigator.locks
    .request(memberLock(key, member.id), { signal }, () => {
      isPresent = true;
      askToJoin();
      return isOver;
    })
    .catch(goAlone);
  void lead({ signal });
  return () => {
    leave();
    closeOwn?.();
  };
}

/** The name of the channel and of the leader's lock: sources with the same one share a connection. */
function keyOf({ url, withCredentials }: WireRequest): string {
  const rest = new URL(url);
  rest.searchParams.delete("topic");
  rest.searchParams.delete("lastEventId");
  return `comet-sockets ${rest.href}${withCredentials === true ? " with credentials" : ""}`;
}
