import type { EndReason, GapItem, OpenState, Wire } from "../../wire/item.ts";
import { follower, type Follower } from "../follower.ts";
import { Places, type Place } from "../places.ts";
import type { ClientWire, Failure, Received, WireRequest } from "../wire.ts";

/** One source in one tab, as long as it holds one connection: it holds a lock with its name, and is gone when the lock is free. */
export interface TabMember {
  readonly id: string;
  readonly topics: readonly string[];
  readonly position: string;
}

/** What is said on the channel of those who share a connection. */
export type TabMessage =
  /** A member wants its topics, from its position on. */
  | { readonly type: "join"; readonly member: TabMember }
  /** All else is said by the leader, `from`; to one member, or to all. This is a new one. */
  | { readonly type: "lead"; readonly from: string }
  /** It has heard the member, which is to wait. */
  | { readonly type: "heard"; readonly from: string; readonly to: string }
  /** The member is in: the first of the items is its `open`. */
  | {
      readonly type: "welcome";
      readonly from: string;
      readonly to: string;
      readonly wire: Wire;
      readonly items: readonly Received[];
    }
  /** Items for all who are in; none if it is only a sign of life. */
  | { readonly type: "items"; readonly from: string; readonly items: readonly Received[] }
  /** There is no connection for now. */
  | { readonly type: "lost"; readonly from: string; readonly failure: Failure }
  /** The member is to have a connection of its own. */
  | { readonly type: "alone"; readonly from: string; readonly to: string };

/** The lock that a member holds. */
export const memberLock = (key: string, id: string): string => `${key} ${id}`;

/** For so long it waits for others to join before it opens a connection for all. */
const GATHER_MS = 30;
/** For so long the topics of one that has gone are kept: it may be about to come again. */
const LINGER_MS = 2000;
/** So many of the last items are kept for those who join with a position. */
const MAX_RECENT = 1000;

/** One connection for all, as long as its topics are the same. */
interface Shared {
  readonly topics: ReadonlySet<string>;
  readonly follower: Follower;
  isOpen: boolean;
  /** The last items. */
  readonly recent: Received[];
  /** Where they begin. Before it is open: the position that it is asked for with. */
  floor: Places;
  /** As far as any connection had come when this one was opened. */
  newest: Places;
}

const placeIn = (places: Places, topic: string): Place | undefined => places.get(encodeURIComponent(topic));
const asText = (place: Place | undefined): string => (place === undefined ? "" : `${place.prefix}${place.offset}`);

/**
 * Leads the tabs that share a channel: holds the one connection for all of them, with all their topics, and tells them what comes.
 *
 * @param resign Called after it has ended because another leads, who has taken the place while this one was frozen.
 * @returns What ends it.
 */
export function leadTabs(
  key: string,
  wire: ClientWire,
  { url, withCredentials = false }: WireRequest,
  resign: () => void,
): () => void {
  const id = crypto.randomUUID();
  const channel = new BroadcastChannel(key);
  const over = new AbortController();
  const members = new Map<string, TabMember>();
  /** Those who are not in yet. */
  const waiting = new Set<TabMember>();
  const beginsWithAll = url.searchParams.get("from") === "oldest";
  let shared: Shared | undefined;
  /** The one that is being opened, to take its place. */
  let next: Shared | undefined;
  let heartbeatMs = 0;
  let outbox: Received[] = [];
  let gathering: ReturnType<typeof setTimeout> | undefined;

  function say(message: TabMessage): void {
    if (!over.signal.aborted) channel.postMessage(message);
  }

  function flush(): void {
    say({ type: "items", from: id, items: outbox });
    outbox = [];
  }

  /** All that comes goes to all tabs, piece by piece, and each piece is a sign of life. */
  const watched = Object.assign(Object.create(wire) as ClientWire, {
    open: (request, events) =>
      wire.open(request, {
        ...events,
        received: (items) => {
          for (const { open } of items) heartbeatMs = open?.heartbeatMs ?? heartbeatMs;
          events.received(items);
          flush();
        },
      }),
  } satisfies Partial<ClientWire>);

  function join(member: TabMember): void {
    say({ type: "heard", from: id, to: member.id });
    if (members.has(member.id)) return;
    members.set(member.id, member);
    waiting.add(member);
    // It is free when the member is gone.
    navigator.locks
      .request(memberLock(key, member.id), { signal: over.signal }, () => forget(member))
      .catch(() => {
        // Nobody is led any more.
      });
    admit();
    if (waiting.has(member)) gathering ??= setTimeout(settle, GATHER_MS);
  }

  function forget(member: TabMember): void {
    members.delete(member.id);
    waiting.delete(member);
    setTimeout(settle, LINGER_MS);
  }

  /** Lets in all whom the connection serves. */
  function admit(): void {
    for (const member of waiting) if (shared?.isOpen === true && serves(shared, member)) welcome(shared, member);
  }

  /** Opens another connection if none serves all who are there, or one serves some who are not. */
  function settle(): void {
    gathering = undefined;
    if (over.signal.aborted) return;
    const topics = new Set([...members.values()].flatMap((member) => member.topics));
    const latest = next ?? shared;
    const isRight = latest?.topics.size === topics.size && [...topics].every((topic) => latest.topics.has(topic));
    if (topics.size === 0) stop();
    else if (!isRight || ![...waiting].every((member) => serves(latest, member))) connect(topics);
  }

  function stop(): void {
    shared?.follower.stop();
    next?.follower.stop();
    shared = next = undefined;
  }

  function connect(topics: ReadonlySet<string>): void {
    next?.follower.stop();
    const position = startOf(topics);
    const address = new URL(url);
    address.searchParams.set("lastEventId", position);
    address.searchParams.delete("topic");
    for (const topic of topics) address.searchParams.append("topic", topic);
    const keep = (item: Received): void => {
      outbox.push(item);
      if (self.recent.push(item) <= MAX_RECENT) return;
      const { id: at, gap } = self.recent.shift() as Received;
      self.floor.keep(at ?? (gap as GapItem).position, true);
    };
    const opened = (): void => {
      self.isOpen = true;
      if (self === next) {
        shared?.follower.stop();
        self.floor = new Places(self.follower.position());
        self.newest = new Places(shared?.follower.position() ?? "");
        shared = self;
        next = undefined;
      }
      admit();
      if (waiting.size > 0) gathering ??= setTimeout(settle, GATHER_MS);
    };
    const lost = (failure: Failure, retryMs: number | null): void => {
      self.isOpen = false;
      if (retryMs === null) giveUp(self);
      else if (self === shared || shared === undefined)
        say({ type: "lost", from: id, failure: { ...failure, retryMs } });
    };
    const ended = (reason: EndReason): void => {
      outbox.push({ end: { reason, position: "", retryMs: null } });
    };
    const self: Shared = (next = {
      topics,
      isOpen: false,
      recent: [],
      floor: new Places(position),
      newest: new Places(""),
      follower: follower(
        address,
        { wire: watched, withCredentials },
        { opened, message: keep, gap: (gap) => keep({ gap }), lost, ended },
      ),
    });
    self.follower.start();
  }

  /** Where a connection is to begin so that nobody misses anything. */
  function startOf(topics: ReadonlySet<string>): string {
    const reached = new Places(shared?.follower.position() ?? "");
    const parts: string[] = [];
    for (const topic of topics) {
      let least = placeIn(reached, topic);
      const owns = [...waiting]
        .filter((member) => member.topics.includes(topic))
        .map((member) => ownPlace(member, topic));
      // Who has no place begins where the server says; who has one is served by the connection after this.
      if (owns.includes(undefined) && (beginsWithAll || least === undefined)) continue;
      for (const own of owns) {
        if (own === undefined) continue;
        // Who is of another epoch is told of a gap.
        if (least === undefined || (own.prefix === least.prefix && own.offset < least.offset)) least = own;
      }
      parts.push(asText(least));
    }
    return parts.join();
  }

  /** Whether a member has from this connection all that it has missed. */
  function serves({ topics, floor }: Shared, member: TabMember): boolean {
    return member.topics.every((topic) => {
      const own = ownPlace(member, topic);
      const begin = placeIn(floor, topic);
      if (!topics.has(topic)) return false;
      if (begin === undefined) return own === undefined || beginsWithAll;
      if (own === undefined) return !beginsWithAll || begin.offset === 0;
      return own.prefix !== begin.prefix || own.offset >= begin.offset;
    });
  }

  function welcome({ follower: { position }, floor, newest, recent }: Shared, member: TabMember): void {
    const reached = new Places(String(newest));
    reached.add(position());
    const states: Record<string, OpenState> = {};
    const parts: string[] = [];
    const gaps: Received[] = [];
    for (const topic of member.topics) {
      const own = ownPlace(member, topic);
      const at = placeIn(own === undefined && beginsWithAll ? floor : reached, topic);
      if (own === undefined) states[topic] = "fresh";
      else if (own.prefix === at?.prefix || own.prefix === placeIn(floor, topic)?.prefix) states[topic] = "recovered";
      else {
        states[topic] = "gap";
        gaps.push({ gap: { topic, missed: null, position: asText(at) } });
      }
      parts.push(asText(states[topic] === "recovered" ? own : at));
    }
    waiting.delete(member);
    const items = [{ open: { states, position: parts.join(), heartbeatMs } }, ...gaps, ...recent];
    say({ type: "welcome", from: id, to: member.id, wire: wire.name, items });
  }

  function end(): void {
    over.abort();
    clearTimeout(gathering);
    stop();
    channel.close();
  }

  /** What is refused to all together may be allowed to each: a server says no to all topics for the sake of one. */
  function giveUp(refused: Shared): void {
    const isNext = refused === next;
    for (const { id: to } of isNext && shared !== undefined ? waiting : members.values())
      say({ type: "alone", from: id, to });
    waiting.clear();
    if (isNext) next = undefined;
    else shared = undefined;
  }

  channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data.type === "join") join(data.member);
    else if (data.type === "lead" && data.from !== id) {
      // Not only when the lock is known to be lost, which WebKit does not always tell.
      end();
      resign();
    }
  };
  say({ type: "lead", from: id });
  return end;
}

function ownPlace({ position }: TabMember, topic: string): Place | undefined {
  return placeIn(new Places(position), topic);
}
