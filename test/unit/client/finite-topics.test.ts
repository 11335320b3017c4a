import { afterEach, expect, test } from "vitest";
import {
  acrossTabs,
  CometSource,
  type EndItem,
  type OpenItem,
  type Outcome,
  type ReceivedItem,
} from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedConnection, type ScriptedWire } from "../../support/scripted-wire.ts";
import { until } from "../../support/sources.ts";

const sources = new Set<CometSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
});

interface Tab {
  readonly source: CometSource;
  /** The messages, gaps and ends of topics, in their order. */
  readonly items: unknown[];
  readonly errors: string[];
}

let hubs = 0;

/** Tabs of one origin over one scripted wire. */
class Tabs {
  readonly wire: ScriptedWire = scriptedWire("ndjson");
  /** Each test has its own leader, so its own address. */
  readonly #address = `http://hub${++hubs}.test/live`;

  open(query: string): Tab {
    const source = new CometSource(`${this.#address}?${query}`, {
      wires: [this.wire],
      share: acrossTabs,
      backoffMs: 1,
      openTimeoutMs: 600_000,
    });
    sources.add(source);
    const tab: Tab = { source, items: [], errors: [] };
    source.onmessage = ({ data }) => tab.items.push(data);
    source.ongap = ({ topic }) => tab.items.push(`gap ${topic}`);
    source.onended = ({ topic, outcome }) => tab.items.push(`${topic} ${outcome}`);
    source.onmissing = ({ topic, status }) => tab.items.push(`${topic} ${status}`);
    source.onerror = ({ code }) => tab.errors.push(code);
    return tab;
  }

  /** Waits for a connection of the leader with these topics: another one than the connections in `before`. */
  async connection(topics: readonly string[], before: readonly ScriptedConnection[] = []): Promise<ScriptedConnection> {
    const isNext = (connection: ScriptedConnection | undefined): boolean =>
      connection?.request.url.searchParams.getAll("topic").toSorted().join() === topics.join() &&
      !before.includes(connection);
    await until(() => isNext(this.wire.connections.at(-1)));
    return this.wire.last;
  }
}

const isOpen = ({ source }: Tab): boolean => source.readyState === source.OPEN;
const isClosed = ({ source }: Tab): boolean => source.readyState === source.CLOSED;

/** An `open` item, by topic and offset. */
function open(offsets: Readonly<Record<string, number>>): ReceivedItem {
  const topics = Object.keys(offsets);
  const states = Object.fromEntries(topics.map((topic) => [topic, "fresh" as const]));
  const position = topics.map((topic) => `${topic}=e.${offsets[topic]}`).join();
  return { open: { states, position, heartbeatMs: 0 } };
}
/** The same where all topics end. */
function finiteOpen(offsets: Readonly<Record<string, number>>, state: "fresh" | "recovered" = "fresh"): ReceivedItem {
  const finite = Object.keys(offsets);
  const states = Object.fromEntries(finite.map((topic) => [topic, state]));
  return { open: { ...(open(offsets).open as OpenItem), states, finite } };
}
const message = (topic: string, offset: number): ReceivedItem => ({
  id: `${topic}=e.${offset}`,
  data: `${topic}${offset}`,
});
const ended = (topic: string, offset: number, outcome: Outcome = "complete"): ReceivedItem => ({
  ended: { topic, outcome, position: `${topic}=e.${offset}` },
});
const missing = (topic: string, status: 404 | 410): ReceivedItem => ({ missing: { topic, status } });
const end = (reason: EndItem["reason"]): ReceivedItem => ({ end: { reason, position: "", retryMs: null } });

/** Three tabs, of which the second follows two topics. The first two messages of `a` have arrived. */
async function three(): Promise<{ tabs: Tabs; a: Tab; both: Tab; b: Tab; first: ScriptedConnection }> {
  const tabs = new Tabs();
  const [both, a, b] = [tabs.open("topic=a&topic=b"), tabs.open("topic=a"), tabs.open("topic=b")];
  const first = await tabs.connection(["a", "b"]);
  first.received([open({ a: 0, b: 5 })]);
  await until(() => [a, both, b].every(isOpen));
  first.received([message("a", 1), message("a", 2)]);
  await until(() => a.items.length === 2 && both.items.length === 2);
  return { tabs, a, both, b, first };
}

test("ends a topic in each tab that follows it, and closes the tabs whose topics are over", async () => {
  const { a, both, b, first } = await three();
  first.received([ended("a", 3, "stopped"), message("b", 6)]);
  await until(() => isClosed(a) && b.items.length === 1);
  expect([a.items, both.items, b.items]).toEqual([["a1", "a2", "a stopped"], ["a1", "a2", "a stopped", "b6"], ["b6"]]);
  expect([a.source.outcome, both.source.outcome, isOpen(both), isOpen(b)]).toEqual(["stopped", undefined, true, true]);
  first.received([ended("b", 7), end("gone")]);
  await until(() => isClosed(both) && isClosed(b));
  expect([both.source.outcome, b.source.outcome, first.isClosed]).toEqual(["stopped", "complete", true]);
});

test("reports a missing topic in each tab that follows it", async () => {
  const tabs = new Tabs();
  const [both, a, b] = [tabs.open("topic=a&topic=b"), tabs.open("topic=a"), tabs.open("topic=b")];
  (await tabs.connection(["a", "b"])).received([open({ b: 5 }), missing("a", 410)]);
  await until(() => isClosed(a) && both.items.length === 1 && isOpen(b));
  expect([a.items, both.items, b.items]).toEqual([["a 410"], ["a 410"], []]);
  expect([a.source.outcome, a.errors, isOpen(both)]).toEqual(["failed", ["ERR_TOPIC_EXPIRED"], true]);
});

test("closes all tabs as failed when the hub withdraws their permission", async () => {
  const { a, both, b, first } = await three();
  first.received([end("unauthorized")]);
  await until(() => [a, both, b].every(isClosed));
  for (const { errors, source } of [a, both, b]) expect([errors, source.outcome]).toEqual([[], "failed"]);
});

test("sends a tab that joins after the end all messages and the end, from those of the leader", async () => {
  const { tabs, first } = await three();
  first.received([message("a", 3), ended("a", 4)]);
  const late = tabs.open("topic=a");
  await until(() => isClosed(late));
  expect(late.items).toEqual(["a1", "a2", "a3", "a complete"]);
  expect([late.source.outcome, tabs.wire.last]).toEqual(["complete", first]);
});

test("sends a tab that joins while a topic runs all its messages, and the end", async () => {
  const tabs = new Tabs();
  const first = tabs.open("topic=a");
  (await tabs.connection(["a"])).received([finiteOpen({ a: 0 }), message("a", 1), message("a", 2)]);
  await until(() => first.items.length === 2);
  const late = tabs.open("topic=a");
  await until(() => late.items.length === 2);
  tabs.wire.last.received([message("a", 3), ended("a", 4)]);
  for (const tab of [first, late]) {
    await until(() => isClosed(tab));
    expect(tab.items).toEqual(["a1", "a2", "a3", "a complete"]);
  }
});

test("fetches all messages for a tab that joins while a topic runs where the leader lacks some", async () => {
  const tabs = new Tabs();
  const first = tabs.open("topic=a&lastEventId=a=e.7");
  const resumed = await tabs.connection(["a"]);
  resumed.received([finiteOpen({ a: 7 }, "recovered"), message("a", 8)]);
  await until(() => first.items.length === 1);
  const late = tabs.open("topic=a");
  const whole = await tabs.connection(["a"], [resumed]);
  expect(whole.request.position).toBe("");
  whole.received([
    finiteOpen({ a: 0 }),
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((offset) => message("a", offset)),
    ended("a", 9),
  ]);
  for (const tab of [first, late]) await until(() => isClosed(tab));
  expect(first.items).toEqual(["a8", "a complete"]);
  expect(late.items).toEqual(["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a complete"]);
});

test("sends a tab that joins after the end with from=newest the end alone", async () => {
  const tabs = new Tabs();
  const both = tabs.open("topic=a&topic=b&from=newest");
  const first = await tabs.connection(["a", "b"]);
  first.received([open({ a: 4, b: 0 }), message("a", 5), ended("a", 6)]);
  await until(() => both.items.length === 2);
  const late = tabs.open("topic=a&from=newest");
  await until(() => isClosed(late));
  expect([late.items, tabs.wire.last]).toEqual([["a complete"], first]);
});

test("fetches all messages for a tab that joins after the end where the leader lacks some", async () => {
  const tabs = new Tabs();
  const both = tabs.open("topic=a&topic=b&lastEventId=a=e.7,b=e.5");
  const first = await tabs.connection(["a", "b"]);
  first.received([open({ a: 7, b: 5 }), message("a", 8), ended("a", 9)]);
  await until(() => both.items.length === 2);
  const late = tabs.open("topic=a");
  const second = await tabs.connection(["a", "b"], [first]);
  expect(second.request.position).toBe("b=e.5");
  second.received([open({ a: 0, b: 5 })]);
  await until(() => isOpen(late));
  // The end must not come before the messages.
  second.received([...Array.from({ length: 8 }, (_, i) => message("a", i + 1)), ended("a", 9), message("b", 6)]);
  await until(() => isClosed(late) && both.items.length === 3);
  expect(late.items).toEqual([...Array.from({ length: 8 }, (_, i) => `a${i + 1}`), "a complete"]);
  expect(late.source.outcome).toBe("complete");
  expect(both.items).toEqual(["a8", "a complete", "b6"]);
});

test.each([
  [1, ["a2", "a failed"]],
  [2, ["a failed"]],
  [3, ["a failed"]],
])("sends a tab that joins with the position %i after the end the rest of the topic", async (offset, items) => {
  const { tabs, both, first } = await three();
  first.received([ended("a", 3, "failed")]);
  await until(() => both.items.includes("a failed"));
  const late = tabs.open(`topic=a&lastEventId=a=e.${offset}`);
  await until(() => isClosed(late));
  expect([late.items, late.errors, late.source.outcome]).toEqual([items, ["ERR_FAILED"], "failed"]);
  expect(tabs.wire.last).toBe(first);
});

test("sends the end of a topic that the next connection does not repeat", async () => {
  const { tabs, both, first } = await three();
  first.received([ended("a", 3)]);
  await until(() => both.items.includes("a complete"));
  const c = tabs.open("topic=c");
  const second = await tabs.connection(["a", "b", "c"]);
  expect(second.request.position.split(",").toSorted()).toEqual(["a=e.3", "b=e.5"]);
  second.received([open({ a: 3, b: 5, c: 0 })]);
  await until(() => isOpen(c));
  const late = tabs.open("topic=a&lastEventId=a=e.3");
  await until(() => isClosed(late));
  expect([late.items, late.source.outcome]).toEqual([["a complete"], "complete"]);
});

test("reports a missing topic to a tab that joins later", async () => {
  const tabs = new Tabs();
  const both = tabs.open("topic=a&topic=b");
  const first = await tabs.connection(["a", "b"]);
  first.received([open({ a: 0, b: 5 }), missing("a", 404)]);
  await until(() => both.items.length === 1);
  const late = tabs.open("topic=a");
  await until(() => isClosed(late));
  expect([late.items, late.errors]).toEqual([["a 404"], ["ERR_TOPIC_UNKNOWN"]]);
  // The topic has begun after all.
  first.received([message("a", 1)]);
  await until(() => both.items.length === 2);
  const later = tabs.open("topic=a");
  await until(() => later.items.length === 1);
  expect([later.items, isOpen(later)]).toEqual([["a1"], true]);
});

test("asks the next connection again for a topic that was missing", async () => {
  const tabs = new Tabs();
  const both = tabs.open("topic=a&topic=b");
  (await tabs.connection(["a", "b"])).received([open({ a: 0, b: 5 }), missing("a", 404)]);
  await until(() => both.items.length === 1);
  const c = tabs.open("topic=c");
  (await tabs.connection(["a", "b", "c"])).received([open({ a: 0, b: 5, c: 0 })]);
  await until(() => isOpen(c));
  const late = tabs.open("topic=a");
  await until(() => isOpen(late));
  expect(late.items).toEqual([]);
});

test("sends a tab that joins in the middle of a finite topic all messages with from=oldest", async () => {
  const tabs = new Tabs();
  const both = tabs.open("topic=a&topic=b&from=oldest");
  const first = await tabs.connection(["a", "b"]);
  first.received([open({ a: 0, b: 0 }), message("a", 1), message("b", 1)]);
  await until(() => both.items.length === 2);
  const late = tabs.open("topic=a&from=oldest");
  await until(() => isOpen(late));
  first.received([message("a", 2), ended("a", 3)]);
  await until(() => isClosed(late));
  expect([late.items, tabs.wire.last]).toEqual([["a1", "a2", "a complete"], first]);
});

test("closes a tab when its last topic ends, if an earlier leader has delivered the ends of the others", async () => {
  const tabs = new Tabs();
  const leader = tabs.open("topic=c");
  (await tabs.connection(["c"])).received([open({ c: 0 })]);
  await until(() => isOpen(leader));
  // The next leader, which stays open.
  const c = tabs.open("topic=c");
  await until(() => isOpen(c));
  const both = tabs.open("topic=a&topic=b");
  const first = await tabs.connection(["a", "b", "c"]);
  first.received([open({ a: 0, b: 0, c: 0 }), ended("a", 1)]);
  await until(() => both.items.length === 1);
  leader.source.close();
  const second = await tabs.connection(["a", "b", "c"], [first]);
  expect(second.request.position).toContain("a=e.1");
  second.received([open({ a: 1, b: 0, c: 0 }), message("b", 1), ended("b", 2)]);
  await until(() => isClosed(both));
  expect([both.items, both.source.outcome]).toEqual([["a complete", "b1", "b complete"], "complete"]);
  second.received([message("c", 1)]);
  await until(() => c.items.length === 1);
  expect([c.items, c.errors]).toEqual([["c1"], []]);
});
