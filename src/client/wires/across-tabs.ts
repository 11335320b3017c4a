import type { ClientWire, Received, WireEvents, WireRequest } from "../wire.ts";
import { leadTabs, memberLock, type TabMember, type TabMessage } from "./tab-leader.ts";

/** A leader that does not answer for so long is frozen: its place is taken. */
const LEADER_MS = 3000;
/** Not by all at once. */
const SPREAD_MS = 1000;

/**
 * One connection for all tabs of an origin, and all sources in them, that follow the same address over this wire: with the topics of
 * all. One of them leads: it holds the connection, and passes on what comes. When its tab closes, crashes or freezes,
 * another leads, and each goes on from where it was. Addresses that differ in more than their topics have connections of their own; so has a source
 * whose topics the hub does not allow together with the others'.
 *
 * The leader's cookies and headers are good for all. It takes the Web Locks and `BroadcastChannel` of a secure context; where there are none, each
 * source has a connection of its own.
 */
export function acrossTabs(wire: ClientWire): ClientWire {
  const self = Object.assign(Object.create(wire) as ClientWire, {
    name: wire.name,
    patienceMs: 60_000,
    open: (request: WireRequest, events: WireEvents) =>
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- there are none outside of secure contexts.
      globalThis.navigator?.locks && globalThis.BroadcastChannel
        ? follow(wire, request, events, (name) => (self.name = name))
        : wire.open(request, events),
  });
  return self;
}

/** Follows whoever leads, or leads. @returns What lets go of it. */
function follow(
  wire: ClientWire,
  request: WireRequest,
  events: WireEvents,
  named: (name: ClientWire["name"]) => void,
): () => void {
  const key = keyOf(request);
  const { url, position } = request;
  const member: TabMember = { id: crypto.randomUUID(), topics: url.searchParams.getAll("topic"), position };
  const names = new Set(member.topics.map((topic) => encodeURIComponent(topic)));
  const channel = new BroadcastChannel(key);
  const over = new AbortController();
  const { signal } = over;
  const isOver = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  let isPresent = false;
  let isIn = false;
  /** The one that has heard of this member. */
  let leader: string | undefined;
  let unheard: ReturnType<typeof setTimeout> | undefined;
  let letGo: (() => void) | undefined;

  function leave(): void {
    over.abort();
    clearTimeout(unheard);
    channel.close();
  }

  function join(): void {
    channel.postMessage({ type: "join", member } satisfies TabMessage);
    clearTimeout(unheard);
    unheard = setTimeout(() => void lead({ steal: true }), LEADER_MS + Math.random() * SPREAD_MS);
  }

  /** Leads as soon as nobody else does, until it is over, or another has taken the place. */
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
      // Another has taken the place, perhaps before it was had. All else says that there are no locks here.
      if ((error as Error).name !== "AbortError") goAlone();
    }
    stop?.();
    if (!signal.aborted) void lead({ signal });
  }

  function goAlone(): void {
    if (signal.aborted) return;
    leave();
    letGo = wire.open(request, {
      ...events,
      received: (items) => {
        named(wire.name);
        events.received(items);
      },
    });
  }

  const isOwn = ({ id, gap }: Received): boolean => {
    if (gap) return member.topics.includes(gap.topic);
    return id === undefined || names.has(id.slice(0, id.indexOf("=")));
  };

  channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data.type === "join" || ("to" in data && data.to !== member.id)) return;
    if (data.type === "lead") {
      // An end says nothing to one that has not begun.
      if (isIn) events.received([{ end: { reason: "recycle", position: "", retryMs: 0 } }]);
      else if (isPresent) join();
    } else if (data.type === "heard") {
      if (!isIn) leader = data.from;
      clearTimeout(unheard);
    } else if (data.type === "welcome") {
      if (isIn) return;
      isIn = true;
      leader = data.from;
      named(data.wire);
      events.received(data.items.filter(isOwn));
    } else if (data.from !== leader) return;
    else if (data.type === "alone") goAlone();
    else if (data.type === "lost") events.broken(data.failure);
    else if (isIn) events.received(data.items.filter(isOwn));
  };

  navigator.locks
    .request(memberLock(key, member.id), { signal }, () => {
      isPresent = true;
      join();
      return isOver;
    })
    .catch(goAlone);
  void lead({ signal });
  return () => {
    leave();
    letGo?.();
  };
}

/** What sources must have in common to share a connection. */
function keyOf({ url, withCredentials }: WireRequest): string {
  const rest = new URL(url);
  rest.searchParams.delete("topic");
  rest.searchParams.delete("lastEventId");
  return `comet-sockets ${rest.href}${withCredentials === true ? " with credentials" : ""}`;
}
