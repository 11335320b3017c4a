import type { EndReason, GapItem, OpenItem, OpenState } from "../../wire/item.ts";
import { ClientPosition, parseTopicPosition, type TopicPosition } from "../client-position.ts";
import type { ClientWire, ReceivedItem, WireFailure, WireRequest } from "../client-wire.ts";
import { createFollower, type Follower } from "../follower.ts";
import { FiniteTopics } from "./finite-topics.ts";
import { memberLock, type TabMember, type TabMessage } from "./tab-message.ts";

/** The leader waits for this time for further members before it opens a connection for all of them. */
const GATHER_MS = 30;
/** The topics of a member that has left are kept for this time: its source may be reconnecting. */
const LINGER_MS = 2000;
/** The number of recent items that are kept for members that join with a position. */
const MAX_RECENT = 1000;

/** One connection for all members, as long as its topics stay the same. */
interface SharedConnection {
  readonly topics: ReadonlySet<string>;
  readonly follower: Follower;
  isOpen: boolean;
  /** The most recent items. */
  readonly recent: ReceivedItem[];
  /**
   * The position before the first of the recent items; before the connection has opened, the position of its request.
   */
  floor: ClientPosition;
  /** The newest position that any connection had reached when this one opened. */
  newest: ClientPosition;
}

const topicPosition = (position: ClientPosition, topic: string): TopicPosition | undefined => {
  const part = position.get(encodeURIComponent(topic));
  return part === undefined ? undefined : parseTopicPosition(part);
};
const asText = (position: TopicPosition | undefined): string =>
  position === undefined ? "" : `${position.prefix}${position.offset}`;

/**
 * Leads the tabs that share a channel: holds the one connection, with the topics of all members, and broadcasts its
 * items.
 *
 * A connection that must begin earlier, or with other topics, is opened before the current one is closed, and each
 * member drops the items that it has. So the leader may send an item twice, but must never skip one: `startPosition`
 * and `serves` are the two places that decide this.
 *
 * @param resign Called after the leader has ended because another tab leads, which stole the lock while this one was
 *   frozen.
 * @returns A function that ends the lead.
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
  /** The members that are not admitted yet. */
  const waiting = new Set<TabMember>();
  const from = url.searchParams.get("from");
  const finite = new FiniteTopics();
  let shared: SharedConnection | undefined;
  /** The connection that is opening, to replace the shared one. */
  let next: SharedConnection | undefined;
  let heartbeatMs = 0;
  let outbox: ReceivedItem[] = [];
  let gathering: ReturnType<typeof setTimeout> | undefined;

  function send(message: TabMessage): void {
    if (!over.signal.aborted) channel.postMessage(message);
  }

  /** Whether a member without a position gets all messages of a topic. By default only finite topics begin with all. */
  function beginsWithAll(topic: string): boolean {
    return from === "oldest" || (from === null && finite.has(topic));
  }

  function flush(): void {
    send({ type: "items", from: id, items: outbox });
    outbox = [];
  }

  /** The wire, which flushes after each batch: so each batch is also a heartbeat for the members. */
  const flushing = Object.assign(Object.create(wire) as ClientWire, {
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
    send({ type: "ack", from: id, to: member.id });
    if (members.has(member.id)) return;
    members.set(member.id, member);
    waiting.add(member);
    // The lock is free once the member is gone.
    navigator.locks
      .request(memberLock(key, member.id), { signal: over.signal }, () => remove(member))
      .catch(() => {
        // The lead has ended.
      });
    admit();
    if (waiting.has(member)) gathering ??= setTimeout(reconcile, GATHER_MS);
  }

  function remove(member: TabMember): void {
    members.delete(member.id);
    waiting.delete(member);
    setTimeout(reconcile, LINGER_MS);
  }

  /** Admits all waiting members that the connection serves. */
  function admit(): void {
    for (const member of waiting) if (shared?.isOpen === true && serves(shared, member)) welcome(shared, member);
  }

  /** Opens another connection unless the latest serves all members and has the topics of no others. */
  function reconcile(): void {
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
    const position = startPosition(topics);
    const address = new URL(url);
    address.searchParams.set("lastEventId", position);
    address.searchParams.delete("topic");
    for (const topic of topics) address.searchParams.append("topic", topic);
    const keep = (item: ReceivedItem): void => {
      outbox.push(item);
      if (self.recent.push(item) <= MAX_RECENT) return;
      const { id: at, gap } = self.recent.shift() as ReceivedItem;
      self.floor.keep(at ?? (gap as GapItem).position, true);
    };
    const opened = ({ finite: names = [] }: OpenItem): void => {
      for (const topic of names) finite.add(topic);
      self.isOpen = true;
      if (self === next) {
        shared?.follower.stop();
        self.floor = new ClientPosition(self.follower.position());
        self.newest = new ClientPosition(shared?.follower.position() ?? "");
        shared = self;
        next = undefined;
        finite.forgetMissing();
      }
      admit();
      if (waiting.size > 0) gathering ??= setTimeout(reconcile, GATHER_MS);
    };
    const lost = (failure?: WireFailure, retryMs = 0): void => {
      self.isOpen = false;
      if (failure && (self === shared || shared === undefined))
        send({ type: "lost", from: id, failure: { ...failure, retryMs } });
    };
    const leave = (topic: string, item: ReceivedItem): void => {
      finite.leave(topic, item, self.follower.position());
      outbox.push(item);
    };
    const closed = (reason: EndReason | "error"): void => {
      if (reason === "error") giveUp(self);
      else outbox.push({ end: { reason, position: "", retryMs: null } });
    };
    const self: SharedConnection = (next = {
      topics,
      isOpen: false,
      recent: [],
      floor: new ClientPosition(position),
      newest: new ClientPosition(""),
      follower: createFollower(
        address,
        { wire: flushing, withCredentials },
        {
          opened,
          message: keep,
          noted: (type, item) => (type === "gap" ? keep({ [type]: item }) : leave(item.topic, { [type]: item })),
          lost,
          closed,
        },
      ),
    });
    self.follower.start();
  }

  /** The position from which a connection must begin so that no member misses an item. */
  function startPosition(topics: ReadonlySet<string>): string {
    const reached = new ClientPosition(shared?.follower.position() ?? "");
    const parts: string[] = [];
    for (const topic of topics) {
      let least = topicPosition(reached, topic);
      const owns = [...waiting]
        .filter((member) => member.topics.includes(topic))
        .map((member) => memberPosition(member, topic));
      // A member without a position begins where the server says. The connection after this one serves those that have
      // one.
      if (owns.includes(undefined) && (beginsWithAll(topic) || least === undefined)) continue;
      for (const own of owns) {
        if (own === undefined) continue;
        // A member of another epoch gets a `gap` when it is admitted.
        if (least === undefined || (own.prefix === least.prefix && own.offset < least.offset)) least = own;
      }
      parts.push(asText(least));
    }
    return parts.join();
  }

  /** Whether a connection gives a member all items after the member's position. */
  function serves({ topics, floor }: SharedConnection, member: TabMember): boolean {
    return member.topics.every((topic) => {
      const own = memberPosition(member, topic);
      const begin = topicPosition(floor, topic);
      if (!topics.has(topic)) return false;
      if (begin === undefined) return own === undefined || beginsWithAll(topic);
      if (own === undefined) return !beginsWithAll(topic) || begin.offset === 0;
      return own.prefix !== begin.prefix || own.offset >= begin.offset;
    });
  }

  function welcome({ follower: { position }, floor, newest, recent }: SharedConnection, member: TabMember): void {
    const reached = new ClientPosition(String(newest));
    reached.add(position());
    const states: Record<string, OpenState> = {};
    const parts: string[] = [];
    const gaps: ReceivedItem[] = [];
    for (const topic of member.topics) {
      const own = memberPosition(member, topic);
      const at = topicPosition(own === undefined && beginsWithAll(topic) ? floor : reached, topic);
      if (own === undefined) states[topic] = "fresh";
      else if (own.prefix === at?.prefix || own.prefix === topicPosition(floor, topic)?.prefix)
        states[topic] = "recovered";
      else {
        states[topic] = "gap";
        gaps.push({ gap: { topic, missed: null, position: asText(at) } });
      }
      parts.push(asText(states[topic] === "recovered" ? own : at));
    }
    waiting.delete(member);
    const open = { states, position: parts.join(), heartbeatMs };
    const items = [{ open }, ...gaps, ...recent, ...finite.itemsAt(position())];
    send({ type: "welcome", from: id, to: member.id, wire: wire.name, items });
  }

  function end(): void {
    over.abort();
    clearTimeout(gathering);
    stop();
    channel.close();
  }

  /**
   * Sends the members away to connections of their own: a server refuses all topics because of one, and may allow the
   * others.
   */
  function giveUp(refused: SharedConnection): void {
    const isNext = refused === next;
    for (const { id: to } of isNext && shared !== undefined ? waiting : members.values())
      send({ type: "alone", from: id, to });
    waiting.clear();
    if (isNext) next = undefined;
    else shared = undefined;
  }

  channel.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data.type === "join") join(data.member);
    else if (data.type === "lead" && data.from !== id) {
      // The lost lock is not enough: WebKit does not always report it.
      end();
      resign();
    }
  };
  send({ type: "lead", from: id });
  return end;
}

function memberPosition({ position }: TabMember, topic: string): TopicPosition | undefined {
  return topicPosition(new ClientPosition(position), topic);
}
