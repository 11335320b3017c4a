import type { Socket } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { nodeHandler } from "../../../src/adapters/node/index.ts";
import { acrossTabs, CometSource, ndjson, type CometSourceOptions } from "../../../src/client/index.ts";
import { notedHub, serveHub, type HubServer } from "../../support/hub.ts";
import { serve } from "../../support/servers.ts";
import { until } from "../../support/sources.ts";

const quick = { wires: [ndjson], backoffMs: 10, maxBackoffMs: 50, share: acrossTabs } as const;

const sources = new Set<CometSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
  vi.unstubAllGlobals();
});

interface Tab {
  readonly source: CometSource;
  readonly data: unknown[];
  readonly states: unknown[];
  readonly gaps: (readonly [string, number | null])[];
  readonly errors: (readonly [string, boolean])[];
  readonly closes: string[];
}

/** A source, as in a tab of its own, and its events. */
function tab(url: string, options: CometSourceOptions = {}): Tab {
  const source = new CometSource(url, { ...quick, ...options });
  sources.add(source);
  const record: Tab = { source, data: [], states: [], gaps: [], errors: [], closes: [] };
  source.onmessage = ({ data }) => record.data.push(data);
  source.onopen = ({ states }) => record.states.push(states);
  source.ongap = ({ topic, missed }) => record.gaps.push([topic, missed]);
  source.onerror = ({ code, retryMs }) => record.errors.push([code, retryMs === null]);
  source.onclose = ({ reason }) => record.closes.push(reason);
  return record;
}

const isOpen = ({ source }: Tab): boolean => source.readyState === source.OPEN;
const hasOne = ({ hub }: HubServer): Promise<void> => until(() => hub.stats().connections === 1);

test("sends a joining tab the messages that it has missed, and the others nothing twice", async () => {
  const server = await serveHub();
  const url = `${server.origin}/?topic=a`;
  const first = tab(url);
  await until(() => isOpen(first));
  await server.hub.topic("a").publish(1);
  await until(() => first.data.length === 1);
  const { lastEventId } = first.source;
  await server.hub.topic("a").publish(2);
  await server.hub.topic("a").publish(3);
  await until(() => first.data.length === 3);
  const late = tab(`${url}&lastEventId=${lastEventId}`);
  const fresh = tab(url);
  await until(() => isOpen(late) && isOpen(fresh));
  await server.hub.topic("a").publish(4);
  await until(() => late.data.length === 3 && fresh.data.length === 1);
  expect([first.data, late.data, fresh.data]).toEqual([[1, 2, 3, 4], [2, 3, 4], [4]]);
  expect([late.states, fresh.states]).toEqual([[{ a: "recovered" }], [{ a: "fresh" }]]);
  // The leader had all of it.
  expect(server.opened).toHaveLength(1);
});

test("fetches messages that the leader has evicted from the hub, without a break for the others", async () => {
  const server = await serveHub({ log: { maxEntries: 10_000 } });
  const url = `${server.origin}/?topic=a`;
  const first = tab(url);
  await until(() => isOpen(first));
  for (let n = 1; n <= 2500; n += 1) await server.hub.topic("a").publish(n);
  await until(() => first.data.length === 2500);
  const late = tab(`${url}&lastEventId=${first.source.lastEventId.replace(/\d+$/, "5")}`);
  await until(() => late.data.length === 2495);
  await server.hub.topic("a").publish(2501);
  await until(() => late.data.length === 2496 && first.data.length === 2501);
  expect(late.data).toEqual(Array.from({ length: 2496 }, (_, i) => i + 6));
  expect(first.data).toEqual(Array.from({ length: 2501 }, (_, i) => i + 1));
  expect([first.errors, first.states]).toEqual([[], [{ a: "fresh" }]]);
  await hasOne(server);
});

test("adds a topic to the shared connection, and drops one that no tab follows", async () => {
  const server = await serveHub();
  const [a, b] = ["a", "b"].map((topic) => tab(`${server.origin}/?topic=${topic}`)) as [Tab, Tab];
  await until(() => isOpen(a) && isOpen(b));
  await hasOne(server);
  expect(server.opened.at(-1)?.topics.toSorted()).toEqual(["a", "b"]);
  for (const n of [1, 2]) for (const topic of ["a", "b"]) await server.hub.topic(topic).publish(`${topic}${n}`);
  await until(() => a.data.length === 2 && b.data.length === 2);
  expect([a.data, b.data]).toEqual([
    ["a1", "a2"],
    ["b1", "b2"],
  ]);
  b.source.close();
  await until(() => server.opened.at(-1)?.topics.join() === "a" && server.hub.stats().connections === 1);
  await server.hub.topic("a").publish("a3");
  await until(() => a.data.length === 3);
  expect(a.errors).toEqual([]);
});

test("sends each tab the whole log with from=oldest", async () => {
  const server = await serveHub();
  await server.hub.topic("a").publish(1);
  const url = `${server.origin}/?topic=a&from=oldest`;
  const first = tab(url);
  await until(() => first.data.length === 1);
  await server.hub.topic("a").publish(2);
  const second = tab(url);
  await until(() => second.data.length === 2);
  expect([first.data, second.data]).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

test("refuses a forbidden topic only to the tab that follows it", async () => {
  const server = await serveHub({ authorize: (_, topics) => (topics.includes("secret") ? 403 : true) });
  const open = tab(`${server.origin}/?topic=a`);
  await until(() => isOpen(open));
  const shut = tab(`${server.origin}/?topic=a&topic=secret`);
  await until(() => shut.closes.length === 1);
  expect(shut.errors).toEqual([["ERR_FORBIDDEN", true]]);
  await server.hub.topic("a").publish(1);
  await until(() => open.data.length === 1);
  expect([open.errors, open.closes]).toEqual([[], []]);
  await until(() => server.hub.stats().connections === 1);
});

test("dispatches an outage in each tab, and loses no message", async () => {
  const server = notedHub();
  const sockets = new Set<Socket>();
  const { origin } = await serve((response) => {
    sockets.add(response.req.socket);
    void nodeHandler(server.hub)(response.req, response);
  });
  const tabs = [tab(`${origin}/?topic=a`), tab(`${origin}/?topic=a&topic=b`)];
  await until(() => tabs.every(isOpen));
  for (let round = 1; round <= 3; round += 1) {
    await server.hub.topic("a").publish(round);
    await until(() => tabs.every(({ data }) => data.length === round * 2 - 1));
    for (const socket of sockets) socket.destroy();
    await until(() => tabs.every(({ errors }) => errors.length >= round));
    await server.hub.topic("a").publish(`away ${round}`);
    await until(() => tabs.every(({ data }) => data.length === round * 2));
  }
  for (const { data, gaps } of tabs) expect([data, gaps]).toEqual([[1, "away 1", 2, "away 2", 3, "away 3"], []]);
});

test("opens a connection for each source where there are no locks", async () => {
  vi.stubGlobal("navigator", {});
  const server = await serveHub();
  const tabs = [tab(`${server.origin}/?topic=a`), tab(`${server.origin}/?topic=a`)];
  await until(() => tabs.every(isOpen));
  expect(server.hub.stats().connections).toBe(2);
  await server.hub.topic("a").publish(1);
  await until(() => tabs.every(({ data }) => data.length === 1));
});

test("opens a connection for each source where locks are denied, as in a sandbox", async () => {
  const request = (): Promise<never> => Promise.reject(new DOMException("The request was denied.", "SecurityError"));
  vi.stubGlobal("navigator", { locks: { request } });
  const server = await serveHub();
  const tabs = [tab(`${server.origin}/?topic=a`), tab(`${server.origin}/?topic=a`)];
  await until(() => tabs.every(isOpen));
  expect(server.hub.stats().connections).toBe(2);
});
