import { afterEach, describe, expect, test } from "vitest";
import { acrossTabs, CometSource, ndjson, poll, type CometSourceOptions } from "../../../src/client/index.ts";
import { serveHub, type HubServer } from "../../support/hub.ts";
import { errorOf, until } from "../../support/sources.ts";

const quick = { backoffMs: 5, maxBackoffMs: 20, openTimeoutMs: 600_000 } as const;
const finite = { finite: true } as const;

const sources = new Set<CometSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
});

function follow({ origin }: HubServer, query: string, options: CometSourceOptions): CometSource {
  const source = new CometSource(`${origin}/?${query}`, { ...quick, ...options });
  sources.add(source);
  return source;
}

/** Reads all messages of a source, until the iteration ends or throws. */
async function read(source: CometSource, got: unknown[] = []): Promise<unknown[]> {
  for await (const { data } of source) got.push(data);
  return got;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe.each([
  ["ndjson", ndjson],
  ["poll", poll],
])("over %s", (_, wire) => {
  test("reads a topic from its first message to its end, whenever the reader joins", async () => {
    const server = await serveHub({ maxConnectionBytes: 2048, pollMs: 20 });
    const topic = server.hub.topic<number>("a", finite);
    const early = follow(server, "topic=a", { wires: [wire] });
    const reading = read(early);
    for (const i of numbers(100)) await topic.publish(i);
    const middle = follow(server, "topic=a", { wires: [wire] });
    const joined = read(middle);
    for (const i of numbers(100)) await topic.publish(100 + i);
    await topic.end({ outcome: "stopped" });
    expect([await reading, await joined]).toEqual([numbers(200), numbers(200)]);
    // An iteration has the messages that arrive after it has begun.
    const late = follow(server, "topic=a", { wires: [wire] });
    expect(await read(late)).toEqual(numbers(200));
    expect([early, middle, late].map(({ outcome }) => outcome)).toEqual(["stopped", "stopped", "stopped"]);
  });

  test("throws the code and the message of a topic that fails, after the messages of all topics", async () => {
    const server = await serveHub({ pollMs: 20 });
    const [a, b] = [server.hub.topic<string>("a", finite), server.hub.topic<string>("b", finite)];
    for (const text of ["a1", "a2"]) await a.publish(text);
    await b.publish("b1");
    await a.end({ error: { code: "quota", message: "The quota is used up." } });
    const source = follow(server, "topic=a&topic=b", { wires: [wire] });
    const got: unknown[] = [];
    const reading = errorOf(() => read(source, got));
    await until(() => got.length === 3);
    await b.publish("b2");
    await b.end();
    expect(await reading).toMatchObject({ code: "quota", message: "The quota is used up." });
    expect(got.toSorted()).toEqual(["a1", "a2", "b1", "b2"]);
    expect(source.outcome).toBe("failed");
  });

  test("throws ERR_TOPIC_UNKNOWN for a topic that does not begin, before and after the stream has opened", async () => {
    for (const startTimeoutMs of [1, 2100]) {
      const server = await serveHub({ topics: () => ({ finite: true, startTimeoutMs }) });
      const source = follow(server, "topic=a", { wires: [wire] });
      const errors: unknown[] = [];
      source.onerror = ({ code, status, retryMs }) => errors.push([code, status, retryMs]);
      expect(await errorOf(() => read(source))).toMatchObject({ code: "ERR_TOPIC_UNKNOWN" });
      expect([errors, source.outcome]).toEqual([[["ERR_TOPIC_UNKNOWN", 404, null]], "failed"]);
    }
  });
});

describe("across tabs", () => {
  const shared = { wires: [ndjson], share: acrossTabs } as const;

  test("reads a topic from its first message in a tab that joins after the end, and ends in each tab", async () => {
    const server = await serveHub();
    const topic = server.hub.topic<number>("a", finite);
    const both = follow(server, "topic=a&topic=b", shared);
    const first = follow(server, "topic=a", shared);
    const early = read(first);
    await until(() => [both, first].every(({ readyState }) => readyState === both.OPEN));
    for (const i of numbers(20)) await topic.publish(i);
    await topic.end();
    expect(await early).toEqual(numbers(20));
    expect(await read(follow(server, "topic=a", shared))).toEqual(numbers(20));
    const data: unknown[] = [];
    both.onmessage = (event) => data.push(event.data);
    await server.hub.topic("b").publish("b1");
    await until(() => data.length === 1);
    expect([data, both.outcome]).toEqual([["b1"], undefined]);
  });
});
