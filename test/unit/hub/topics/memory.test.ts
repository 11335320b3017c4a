import { describe, expect, test } from "vitest";
import { isAdmission } from "../../../../src/hub/admission/decision.ts";
import { Hub, type JsonValue, type PublishOptions } from "../../../../src/index.ts";
import { FakeSink, flushed, open } from "../../../support/fake-sink.ts";
import { liveBytes } from "../../../support/memory.ts";
import { until } from "../../../support/sources.ts";

/** Every wire and mode, and several callbacks. */
const wires = [
  "wire=sse",
  "wire=sse&mode=managed",
  "wire=ndjson",
  "wire=poll&wait=0",
  "wire=comet",
  "wire=comet&callback=comet2",
  "wire=comet&callback=comet3",
  "wire=comet&mode=managed&callback=comet",
];

/** A sink that keeps nothing. */
class Void extends FakeSink {
  override write(): boolean {
    return true;
  }
}

/** Has a client read a topic from the oldest message on, and leave. */
async function readTopic(hub: Hub, topic: string, wire: string): Promise<void> {
  (await open(hub, `topic=${topic}&from=oldest&${wire}`, new Void())).connection.gone();
}

interface Filling {
  readonly topics: number;
  readonly messages: number;
  readonly data: (i: number) => JsonValue;
  readonly options?: (i: number) => PublishOptions;
  readonly wires?: readonly string[];
}

const plain = (i: number): string => `${"x".repeat(90)}${i}`;

describe("the memory that stats() tells", () => {
  test.each<readonly [string, Filling]>([
    ["numbers", { topics: 30, messages: 4096, data: (i) => i % 10 }],
    ["numbers that were read on every wire", { topics: 10, messages: 4096, data: (i) => i % 10, wires }],
    ["texts that were read on every wire", { topics: 4, messages: 4000, data: (i) => plain(i).repeat(5), wires }],
    ["objects", { topics: 15, messages: 4096, data: (i) => ({ name: plain(i), i }) }],
    ["texts beyond Latin-1", { topics: 10, messages: 4096, data: (i) => `${"日".repeat(300)}${i}` }],
    ["texts of Latin-1", { topics: 10, messages: 4096, data: (i) => `${"é".repeat(300)}${i}` }],
    ["a message in each of many topics, read", { topics: 20_000, messages: 1, data: plain, wires: ["wire=sse"] }],
    [
      "messages with event, key and id",
      {
        topics: 15,
        messages: 4096,
        data: plain,
        options: (i) => ({ event: `event ${i}`, key: `key ${i}`, messageId: `id ${i}` }),
      },
    ],
  ])(
    "is within a quarter of what the process holds: %s",
    async (_, { topics, messages, data, options, wires: wiresRead }) => {
      const hub = new Hub({ log: { maxBytes: 2 ** 40, maxAgeMs: 2_000_000_000 }, maxLogBytes: 2 ** 40 });
      const before = liveBytes();
      for (let t = 0; t < topics; t += 1) {
        for (let i = 0; i < messages; i += 1) void hub.topic(`topic ${t}`).publish(data(i), options?.(i) ?? {});
      }
      await flushed();
      for (let t = 0; t < topics; t += 1) {
        for (const wire of wiresRead ?? []) await readTopic(hub, `topic ${t}`, wire);
      }
      const ratio = hub.stats().logBytes / (liveBytes() - before);
      expect(hub.stats().logEntries).toBe(topics * messages);
      expect(ratio).toBeGreaterThan(0.75);
      expect(ratio).toBeLessThan(1.25);
    },
  );

  test("stays within maxLogBytes, and readers take nothing from the messages", async () => {
    const maxLogBytes = 32 * 2 ** 20;
    const hub = new Hub({ maxLogBytes, log: { maxEntries: 100_000 } });
    const before = liveBytes();
    for (let i = 0; i < 150_000; i += 1) void hub.topic(`t${i % 50}`).publish(plain(i));
    await flushed();
    const { logEntries } = hub.stats();
    expect(logEntries).toBeGreaterThan(70_000);
    for (let t = 0; t < 50; t += 1) for (const wire of wires) await readTopic(hub, `t${t}`, wire);
    expect(hub.stats().logEntries).toBe(logEntries);
    expect(hub.stats().logBytes).toBeLessThanOrEqual(maxLogBytes);
    expect(liveBytes() - before).toBeLessThan(maxLogBytes * 1.25);
    // The oldest messages of all topics went, wherever they were.
    for (const t of [0, 17, 49]) {
      const { sink } = await open(hub, `topic=t${t}&from=oldest`);
      const numbers = sink.messages.map((text) => Number(String(text).slice(90)));
      expect(Math.min(...numbers)).toBeGreaterThanOrEqual(150_000 - logEntries - 50);
    }
  });

  test("is given back by topics whose messages are too old", async () => {
    const hub = new Hub({ log: { maxAgeMs: 100 } });
    const before = liveBytes();
    for (let i = 0; i < 30_000; i += 1) void hub.topic(`topic ${i}`).publish(plain(i));
    await until(() => hub.stats().topics === 0);
    expect(hub.stats()).toMatchObject({ logEntries: 0, logBytes: 0 });
    expect(liveBytes() - before).toBeLessThan(4 * 2 ** 20);
  });

  test("is a few hundred bytes for a name that was only asked for", async () => {
    const hub = new Hub();
    const before = liveBytes();
    for (let i = 0; i < 20_000; i += 1) await readTopic(hub, `some random name ${i}`, "wire=poll&wait=0");
    expect(hub.stats()).toMatchObject({ topics: 20_000, askedTopics: 20_000, logBytes: 0 });
    expect((liveBytes() - before) / 20_000).toBeLessThan(700);
  });

  test("is no more for a name out of a long URL, whose client left before its stream opened", async () => {
    const hub = new Hub();
    const before = liveBytes();
    for (let i = 0; i < 5000; i += 1) {
      const url = `/?topic=some-random-name-${i}&wire=ndjson&pad=${"x".repeat(10_000)}`;
      const decision = await hub._decide({ method: "GET", url, headers: new Headers() }, () => ({}));
      if (!isAdmission(decision)) expect.fail("an admission");
      decision.release();
    }
    expect(hub.stats().askedTopics).toBe(5000);
    expect((liveBytes() - before) / 5000).toBeLessThan(1000);
  });
});
