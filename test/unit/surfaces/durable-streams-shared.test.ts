import { describe, expect, onTestFinished, test, vi } from "vitest";
import { MemoryBrokers } from "../../../src/brokers/memory/index.ts";
import type { Broker, HubOptions } from "../../../src/index.ts";
import { durableStreams } from "../../../src/surfaces/durable-streams/index.ts";
import { json, LiveReader, testStreams, text, type TestStreams } from "../../support/durable-streams.ts";
import { flushed } from "../../support/fake-sink.ts";
import { notedHub } from "../../support/hub.ts";
import { sqliteFolder } from "../../support/sqlite.ts";
import { expectCode } from "../../support/sources.ts";

/** The streams of two processes that share a broker. */
function twoProcesses(options: HubOptions = {}): readonly [TestStreams, TestStreams] {
  const brokers = new MemoryBrokers();
  return [testStreams({ ...options, broker: brokers.join() }), testStreams({ ...options, broker: brokers.join() })];
}

/** Members of a broker that take the place of its own. */
interface Instead {
  readonly isDense?: boolean;
  readonly publish?: (broker: Broker, ...args: Parameters<Broker["publish"]>) => ReturnType<Broker["publish"]>;
}

function proxied(broker: Broker, { isDense, publish }: Instead): Broker {
  return new Proxy(broker, {
    get: (target, key) => {
      if (key === "isDense" && isDense !== undefined) return isDense;
      if (key === "publish" && publish !== undefined) return publish.bind(undefined, target);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

const tag = (seq: number, epoch = 0): Record<string, string> => ({
  "producer-id": "writer",
  "producer-epoch": String(epoch),
  "producer-seq": String(seq),
});

describe("two processes with one broker", () => {
  test("have the same streams, offsets and closes", async () => {
    const [one, other] = twoProcesses();
    const created = await one.succeed("PUT", "/s", { headers: json, body: "[1]" });
    await other.succeed("PUT", "/s", { headers: json, body: "[1]" });
    const live = await new LiveReader(await other.succeed("GET", "/s?offset=-1&live=sse")).has(1);
    const appended = await other.succeed("POST", "/s", { headers: json, body: "[2,3]" });
    const offset = created.headers.get("stream-next-offset") ?? "";
    expect(await (await one.succeed("GET", `/s?offset=${offset}`)).json()).toEqual([2, 3]);
    await one.succeed("POST", "/s", { headers: { ...json, "stream-closed": "true" }, body: "4" });
    expect((await live.ended()).data).toEqual(["[1]", "[2]", "[3]", "[4]"]);
    expect((await other.send("POST", "/s", { headers: json, body: "5" })).status).toBe(409);
    expect(appended.headers.get("stream-next-offset")).toBe(live.controls[2]?.["streamNextOffset"]);
  });

  test("let one of several creations win", async () => {
    const [one, other] = twoProcesses();
    const answers = await Promise.all(
      [one, other, one, other].map(({ send }) => send("PUT", "/s", { headers: text, body: "once" })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
    expect(await (await one.succeed("GET", "/s")).text()).toBe("once");
  });

  test("let the creation win that the broker has first, however late the other one is", async () => {
    const brokers = new MemoryBrokers();
    let publishLate: () => void = () => undefined;
    const isLate = new Promise<void>((resolve) => (publishLate = resolve));
    let hasBegun: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (hasBegun = resolve));
    const slow = proxied(brokers.join(), {
      publish: async (broker, topic, ...rest) => {
        if (topic === "~ds/s") hasBegun();
        if (topic === "~ds/s") await isLate;
        return broker.publish(topic, ...rest);
      },
    });
    const [one, other] = [testStreams({ broker: brokers.join() }), testStreams({ broker: slow })];
    const late = other.send("PUT", "/s", { headers: text, body: "late" });
    await begun;
    expect((await one.send("PUT", "/s", { headers: text, body: "first" })).status).toBe(201);
    publishLate();
    expect((await late).status).toBe(200);
  });

  test("take an append that a producer repeats at the other one once", async () => {
    const [one, other] = twoProcesses();
    await one.succeed("PUT", "/s", { headers: json });
    const sent = { headers: { ...json, ...tag(0) }, body: '["a","b"]' };
    const answers = await Promise.all([one.send("POST", "/s", sent), other.send("POST", "/s", sent)]);
    for (const { ok } of answers) expect(ok).toBe(true);
    expect((await one.succeed("POST", "/s", sent)).status).toBe(204);
    expect((await other.succeed("POST", "/s", { ...sent, headers: { ...json, ...tag(1) } })).status).toBe(200);
    expect((await other.send("POST", "/s", { ...sent, headers: { ...json, ...tag(3) } })).status).toBe(409);
    await other.succeed("POST", "/s", { ...sent, headers: { ...json, ...tag(0, 1) } });
    expect((await one.send("POST", "/s", { ...sent, headers: { ...json, ...tag(2) } })).status).toBe(403);
    expect(await (await one.succeed("GET", "/s")).json()).toEqual(["a", "b", "a", "b", "a", "b"]);
  });

  test("see a deletion, and a stream that is created again", async () => {
    const [one, other] = twoProcesses();
    await one.succeed("PUT", "/s", { headers: text, body: "old" });
    const old = (await other.succeed("HEAD", "/s")).headers.get("stream-next-offset") ?? "";
    const live = await new LiveReader(await other.succeed("GET", "/s?offset=-1&live=sse")).has(1);
    const waiting = other.send("GET", "/s?offset=now&live=long-poll");
    await flushed();
    await one.succeed("DELETE", "/s");
    await live.ended();
    expect((await waiting).status).toBe(404);
    expect((await other.send("GET", "/s")).status).toBe(404);
    await other.succeed("PUT", "/s", { headers: json, body: "[1,2,3]" });
    expect(await (await one.succeed("GET", "/s")).json()).toEqual([1, 2, 3]);
    expect((await one.send("GET", `/s?offset=${old}`)).status).toBe(410);
  });

  test("keep a deleted stream's name while the other has a fork of it", async () => {
    const [one, other] = twoProcesses();
    await one.succeed("PUT", "/source", { headers: json, body: "[1,2]" });
    const forked = await other.succeed("PUT", "/fork", {
      headers: { ...json, "stream-forked-from": "/source" },
      body: "3",
    });
    await one.succeed("DELETE", "/source");
    expect((await other.send("GET", "/source")).status).toBe(410);
    expect((await other.send("PUT", "/source", { headers: json })).status).toBe(409);
    expect(await (await one.succeed("GET", "/fork")).json()).toEqual([1, 2, 3]);
    expect(forked.headers.get("stream-next-offset")).toMatch(/^0{15}3_/);
    await one.succeed("DELETE", "/fork");
    expect((await other.send("GET", "/source")).status).toBe(404);
    await other.succeed("PUT", "/source", { headers: json });
  });

  test("number a fork like its source, also under a name that was used before", async () => {
    const [one, other] = twoProcesses();
    await one.succeed("PUT", "/fork", { headers: json, body: "[7,8,9]" });
    await one.succeed("DELETE", "/fork");
    const source = await one.succeed("PUT", "/source", { headers: json, body: "[1,2]" });
    const offset = source.headers.get("stream-next-offset") ?? "";
    await other.succeed("PUT", "/fork", { headers: { ...json, "stream-forked-from": "/source" }, body: "3" });
    expect(await (await one.succeed("GET", `/fork?offset=${offset}`)).json()).toEqual([3]);
  });

  test("refuse names of control topics, and report a hub whose topics leave them out", async () => {
    const [one] = twoProcesses();
    await one.succeed("PUT", "/s", { headers: json });
    expect((await one.send("GET", "/~ds/s")).status).toBe(404);
    const broker = new MemoryBrokers().join();
    const { errors, send } = testStreams({ broker, topics: (name) => !name.startsWith("~ds/") });
    const refused = await send("PUT", "/s", { headers: json });
    expect(refused.status).toBe(500);
    expect(errors).toMatchObject([{ code: "ERR_OPTION" }]);
  });
});

test("serves more than the log holds, which the broker keeps", async () => {
  const broker = new MemoryBrokers().join();
  const { succeed } = testStreams({ broker, log: { maxEntries: 4 }, history: { maxEntries: 10_000 } });
  await succeed("PUT", "/s", { headers: json });
  const all = Array.from({ length: 1500 }, (_, n) => n);
  const appended = await succeed("POST", "/s", { headers: json, body: JSON.stringify(all.slice(0, 700)) });
  await succeed("POST", "/s", { headers: json, body: JSON.stringify(all.slice(700)) });
  expect(await (await succeed("GET", "/s")).json()).toEqual(all);
  const offset = appended.headers.get("stream-next-offset") ?? "";
  expect(await (await succeed("GET", `/s?offset=${offset}`)).json()).toEqual(all.slice(700));
  const live = await new LiveReader(await succeed("GET", "/s?offset=-1&live=sse")).has(1500);
  expect(live.data).toEqual(all.map((n) => `[${n}]`));
  live.leave();
});

test("keeps streams, their producers and their closes over a restart", async () => {
  const folder = sqliteFolder();
  onTestFinished(() => folder.close());
  const first = testStreams({ broker: await folder.open() });
  await first.succeed("PUT", "/s", { headers: { ...text, "stream-ttl": "600" }, body: "a" });
  await first.succeed("POST", "/s", { headers: { ...text, ...tag(0), "stream-seq": "5" }, body: "b" });
  const closing = { headers: { ...text, ...tag(1), "stream-closed": "true" }, body: "c" };
  await first.succeed("PUT", "/closed", { headers: text });
  await first.succeed("POST", "/closed", { headers: { ...text, ...tag(0) }, body: "b" });
  await first.succeed("POST", "/closed", closing);
  await first.hub.close({ drainMs: 0 });

  const second = testStreams({ broker: await folder.open() });
  expect((await second.succeed("POST", "/s", { headers: { ...text, ...tag(0) }, body: "b" })).status).toBe(204);
  expect((await second.send("POST", "/s", { headers: { ...text, "stream-seq": "5" }, body: "x" })).status).toBe(409);
  expect(await (await second.succeed("GET", "/s")).text()).toBe("ab");
  expect((await second.succeed("HEAD", "/s")).headers.get("stream-ttl")).toBe("600");
  expect((await second.succeed("POST", "/closed", closing)).status).toBe(204);
  expect((await second.send("POST", "/closed", { headers: text, body: "x" })).status).toBe(409);
  await second.hub.close({ drainMs: 0 });
});

test("outlives its time to live while another process reads it, and expires then in both", async () => {
  vi.useFakeTimers({ toFake: ["Date", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const [one, other] = twoProcesses();
  await one.succeed("PUT", "/s", { headers: { ...text, "stream-ttl": "100" }, body: "a" });
  for (let reads = 0; reads < 3; reads += 1) {
    vi.advanceTimersByTime(90_000);
    await other.succeed("GET", "/s");
  }
  expect((await one.send("HEAD", "/s")).status).toBe(200);
  // A process may not have noted the last eighth of its use.
  vi.advanceTimersByTime(113_000);
  expect([(await one.send("HEAD", "/s")).status, (await other.send("GET", "/s")).status]).toEqual([404, 404]);
});

test("removes an expired stream once, so that nothing removes the one that is created after it", async () => {
  vi.useFakeTimers({ toFake: ["Date", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const broker = new MemoryBrokers().join();
  const { finite } = broker;
  if (finite === undefined) expect.fail("it keeps no finite topics");
  const deletes = vi.spyOn(finite, "delete");
  const { send, succeed } = testStreams({ broker });
  await succeed("PUT", "/s", { headers: { ...text, "stream-ttl": "1" }, body: "a" });
  vi.advanceTimersByTime(10_000);
  const answers = await Promise.all(Array.from({ length: 5 }, () => send("HEAD", "/s")));
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404]);
  await succeed("PUT", "/s", { headers: json, body: '["b"]' });
  expect(await (await succeed("GET", "/s")).json()).toEqual(["b"]);
  expect(deletes.mock.calls.map(([name]) => name)).toEqual(["s", "~ds/s"]);
});

test("refuses a broker that cannot keep streams", async () => {
  const broker = proxied(new MemoryBrokers().join(), { isDense: false });
  const { hub } = notedHub({ broker });
  await expectCode("ERR_BROKER_CONFIG", () => durableStreams(hub));
});
