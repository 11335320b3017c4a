import { EventSource } from "eventsource";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import type { Problem } from "../../../../src/wire/item.ts";
import type { Follower } from "../../../support/hub.ts";
import { followHub, notedHub, problemOf, request, serveHub, wires } from "../../../support/hub.ts";
import { until } from "../../../support/sources.ts";

/** The `retry` of a stream, in milliseconds. */
const retryOf = (text: string): number => Number(/^retry: (\d+)$/m.exec(text)?.[1] ?? NaN);

const sse = { accept: "text/event-stream" };

/** Expects 150 delays to be spread over the whole of `from` to twice as much. */
function expectSpread(delays: readonly number[], from: number): void {
  expect(delays).toHaveLength(150);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(from);
  expect(Math.max(...delays)).toBeLessThanOrEqual(2 * from);
  // Each tenth of the range has 15 on average; that one is empty happens once in 700,000 runs.
  const tenths = new Set(delays.map((delay) => Math.min(9, Math.floor(((delay - from) / from) * 10))));
  expect(tenths.size).toBe(10);
}

describe("a Last-Event-ID header of another server opens with a gap of unknown size:", () => {
  const foreign = [
    "17",
    "123e4567-e89b-12d3-a456-426614174000",
    "news=a.-1",
    "news=a.1,news=a.1",
    "null",
    "%zz=a.1",
    "<script>",
    `news=${"a".repeat(5000)}.1`,
    ",".repeat(15_000),
  ];

  test.each(foreign)("%.40j", async (id) => {
    const server = await serveHub();
    await server.hub.topic("a").publish("old");
    const headers = { ...sse, "last-event-id": id };
    const follower = await (await server.follow("topic=a&topic=b", { headers })).has(1);
    expect(follower.open.states).toEqual({ a: "gap", b: "gap" });
    const gaps = follower.items.filter(({ type }) => type === "gap");
    expect(gaps).toMatchObject([
      { topic: "a", missed: null },
      { topic: "b", missed: null },
    ]);
    expect(follower.data).toEqual(["old"]);
    expect(server.errors).toEqual([]);
    expect(server.hub.stats().rejected).toBe(0);
  });

  test.each(wires)("on %s, where a poll does not wait", async (wire) => {
    const { hub } = notedHub({ pollMs: 60_000 });
    const headers = { "last-event-id": "17" };
    const follower = await followHub(hub, `topic=a&wire=${wire}`, { headers });
    await until(() => follower.items.length >= 2);
    expect(follower.items[1]).toMatchObject({ type: "gap", topic: "a", missed: null });
  });

  test("even if the parameter has a good position: the header is the newer one", async () => {
    const { hub } = notedHub();
    const position = await hub.topic("a").publish(1);
    const headers = { "last-event-id": "17" };
    const follower = await (await followHub(hub, `topic=a&wire=sse&lastEventId=${position}`, { headers })).begun();
    expect(follower.open.states).toEqual({ a: "gap" });
  });

  test("but a malformed parameter is refused, and an empty header is none", async () => {
    const { hub } = notedHub();
    const headers = { "last-event-id": "" };
    await problemOf(await hub.fetch(request("topic=a&lastEventId=17", { headers })), 400, "ERR_POSITION");
    await problemOf(await hub.fetch(request("topic=a&lastEventId=17")), 400, "ERR_POSITION");
    const twice = request("topic=a&lastEventId=&lastEventId=", { headers: { "last-event-id": "17" } });
    await problemOf(await hub.fetch(twice), 400, "ERR_PARAMETER");
  });
});

describe("a temporary refusal", () => {
  test("is a stream with retry and an end on plain sse, and has its status on every other wire", async () => {
    const { hub } = notedHub({ maxConnections: 1 });
    await followHub(hub, "topic=a&wire=ndjson");
    const before = hub.stats();
    const response = await hub.fetch(request("topic=a", { headers: sse }));
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const text = await response.text();
    expect(text).toMatch(/^event: comet:error\nretry: \d+\ndata: \{.*\}\n\n$/);
    const problem = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? "") as Problem;
    expect(problem).toMatchObject({ status: 503, code: "ERR_LIMIT", retryMs: 5000 });
    expect(hub.stats()).toEqual({ ...before, rejected: before.rejected + 1 });
    for (const query of ["wire=sse&mode=managed", "wire=ndjson", "wire=poll"]) {
      const other = await hub.fetch(request(`topic=a&${query}`));
      expect(other.headers.get("retry-after")).toBe("5");
      await problemOf(other, 503, "ERR_LIMIT");
    }
    expect((await hub.fetch(request("topic=a&wire=comet"))).status).toBe(503);
  });

  test("has no body on plain sse for HEAD, and the CORS headers of an allowed origin", async () => {
    const { hub } = notedHub({ authorize: () => 429, cors: { origins: ["https://a.example"] } });
    const headers = { ...sse, origin: "https://a.example" };
    const head = await hub.fetch(request("topic=a", { method: "HEAD", headers }));
    expect([head.status, head.headers.get("content-type"), await head.text()]).toEqual([200, "text/event-stream", ""]);
    const get = await hub.fetch(request("topic=a", { headers }));
    expect(get.headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(await get.text()).toContain('"status":429,"code":"ERR_RATE"');
  });

  test.each([
    [400, "ERR_WIRE", "topic=a&wire=sse&mode=x"],
    [403, "ERR_FORBIDDEN", "topic=a&wire=sse"],
  ])("is none with %i (%s): an EventSource stops", async (status, code, query) => {
    const { hub } = notedHub({ authorize: () => false });
    await problemOf(await hub.fetch(request(query)), status, code);
  });

  test("is the same while the broker is away, and while the hub shuts down", async () => {
    const broker = new FaultyBroker(new MemoryBrokers().join());
    const { hub } = notedHub({ broker, onError: () => undefined });
    broker.cut();
    const away = await hub.fetch(request("topic=a", { headers: sse }));
    expect([away.status, await away.text()]).toEqual([200, expect.stringContaining('"code":"ERR_BROKER"')]);
    await hub.close({ drainMs: 0 });
    const closed = await hub.fetch(request("topic=a", { headers: sse }));
    expect([closed.status, await closed.text()]).toEqual([200, expect.stringContaining('"code":"ERR_CLOSED"')]);
  });

  test("asks 150 clients to come back at 150 moments", async () => {
    const { hub } = notedHub({ authorize: () => ({ status: 429, retryAfterMs: 4000 }) });
    const delays: number[] = [];
    for (let i = 0; i < 150; i += 1) {
      delays.push(retryOf(await (await hub.fetch(request("topic=a", { headers: sse }))).text()));
    }
    expectSpread(delays, 4000);
  });

  test("does not stop an EventSource, which connects once there is a place", async () => {
    const server = await serveHub({ maxConnections: 1 });
    const first = await (await server.follow("topic=a&wire=ndjson")).begun();
    const problems: string[] = [];
    let opened = 0;
    const source = new EventSource(`${server.origin}/?topic=a&wire=sse`, {
      // The hub asks for 5 s at least, which is too long for a test.
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        if (server.hub.stats().byWire.sse > 0) return response;
        const { status, headers } = response;
        return new Response((await response.text()).replace(/^retry: \d+/m, "retry: 1"), { status, headers });
      },
    });
    onTestFinished(() => source.close());
    source.addEventListener("comet:error", ({ data }) => problems.push((JSON.parse(data as string) as Problem).code));
    source.addEventListener("comet:open", () => (opened += 1));
    await until(() => problems.length >= 2);
    expect(source.readyState).not.toBe(EventSource.CLOSED);
    first.leave();
    await until(() => opened === 1);
    expect(new Set(problems)).toEqual(new Set(["ERR_LIMIT"]));
  });
});

test("spreads the retry of 150 streams of one group from retryMs to twice as much", async () => {
  const { hub } = notedHub({ retryMs: 2000 });
  const followers: Follower[] = [];
  for (let i = 0; i < 150; i += 1) followers.push(await (await followHub(hub, "topic=a&wire=sse")).begun());
  expectSpread(
    followers.map(({ text }) => retryOf(text)),
    2000,
  );
  await hub.topic("a").publish("for all");
  for (const follower of followers) await follower.has(1);
  for (const { data } of followers) expect(data).toEqual(["for all"]);
});

test("announces no delay where retryMs is 0", async () => {
  const { hub } = notedHub({ retryMs: 0 });
  const follower = await (await followHub(hub, "topic=a&wire=sse")).begun();
  expect(retryOf(follower.text)).toBe(0);
});
