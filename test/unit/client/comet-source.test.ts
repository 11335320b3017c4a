import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import {
  CometSource,
  ndjson,
  poll,
  type ClientWire,
  type CometErrorEvent,
  type CometGapEvent,
  type CometMessageEvent,
  type CometOpenEvent,
  type CometSourceOptions,
} from "../../../src/client/index.ts";
import { serve as serveAny, type TestServer } from "../../support/servers.ts";
import { serveHub, type HubServer } from "../../support/hub.ts";
import { turns, until } from "../../support/sources.ts";

/** Short delays, and a timeout that a busy machine does not reach. */
const quick = { backoffMs: 5, maxBackoffMs: 20, openTimeoutMs: 10_000 } as const;
const wires: readonly (readonly [string, ClientWire])[] = [
  ["ndjson", ndjson],
  ["poll", poll],
];

const sources = new Set<CometSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
});

/** A source, and its events. */
function follow(
  url: string,
  options: CometSourceOptions = {},
): {
  source: CometSource;
  opens: CometOpenEvent[];
  messages: CometMessageEvent<never>[];
  gaps: CometGapEvent[];
  errors: CometErrorEvent[];
  closes: string[];
} {
  const source = new CometSource(url, { ...quick, ...options });
  sources.add(source);
  const record = { source, opens: [], messages: [], gaps: [], errors: [], closes: [] } as ReturnType<typeof follow>;
  source.onopen = (event) => record.opens.push(event);
  source.onmessage = (event) => record.messages.push(event as CometMessageEvent<never>);
  source.ongap = (event) => record.gaps.push(event);
  source.onerror = (event) => record.errors.push(event);
  source.onclose = ({ reason }) => record.closes.push(reason);
  return record;
}

/** Serves over HTTP/1.1. */
const serve = (handler: (response: ServerResponse) => void): Promise<TestServer> =>
  serveAny((response) => handler(response as ServerResponse));

/** Forwards a request to another server, and passes each piece of the response to `take`. */
function relay(origin: string, response: ServerResponse, take: (bytes: Uint8Array) => void, end?: () => void): void {
  const leave = new AbortController();
  response.on("close", () => leave.abort());
  const pass = async (): Promise<void> => {
    const { status, headers, body } = await fetch(origin + (response.req.url ?? ""), leave);
    response.statusCode = status;
    response.setHeader("content-type", headers.get("content-type") ?? "");
    for await (const bytes of body as never as AsyncIterable<Uint8Array>) take(bytes);
    end?.();
    response.end();
  };
  pass().catch(() => response.destroy());
}

const data = (messages: readonly CometMessageEvent[]): unknown[] => messages.map((event) => event.data);

describe.each(wires)("over %s", (_, wire) => {
  test("dispatches messages with their types, names, keys and positions", async () => {
    const { hub, origin } = await serveHub();
    const { source, opens, messages } = follow(`${origin}/?topic=a`, { wires: [wire] });
    expect(source.readyState).toBe(source.CONNECTING);
    const named: CometMessageEvent[] = [];
    source.addEventListener("tick", (event) => named.push(event as CometMessageEvent));
    await until(() => opens.length === 1);
    expect(source.readyState).toBe(CometSource.OPEN);
    expect(opens[0]).toMatchObject({ states: { a: "fresh" }, wire: wire.name });
    const values = ["text", 'a\r\n"</script>', 1.5, null, false, [{ a: ["é"] }], { __proto__x: 1 }];
    let position = "";
    for (const value of values) position = await hub.topic("a").publish(value);
    await hub.topic("a").publish(7, { event: "tick", key: "k", messageId: "m" });
    await until(() => named.length === 1);
    expect(data(messages)).toEqual(values);
    expect(messages.at(-1)).toMatchObject({ type: "message", lastEventId: position, origin });
    expect(named[0]).toMatchObject({ type: "tick", data: 7, key: "k", messageId: "m" });
    expect(source.lastEventId).toBe(named[0]?.lastEventId);
  });

  test("delivers a message of 1.5 Mi characters once, and stays open", async () => {
    const { hub, origin, reasons } = await serveHub({ maxMessageBytes: 16 << 20 });
    const { opens, messages, errors } = follow(`${origin}/?topic=a`, { wires: [wire] });
    await until(() => opens.length === 1);
    await hub.topic("a").publish("x".repeat(3 << 19));
    await hub.topic("a").publish("next");
    await until(() => messages.length === 2);
    expect(data(messages).map((text) => (text as string).length)).toEqual([3 << 19, 4]);
    expect([opens.length, errors.length, reasons.filter((reason) => reason !== "poll")]).toEqual([1, 0, []]);
  });

  test.each([
    ["encodes a position once", 12, "\u4e2d".repeat(28), false],
    ["sends a position as a header where the address would be too long", 90, "x".repeat(40), true],
  ])("%s, and resumes from it", async (_, count, name, isInHeader) => {
    const { hub, origin, responses } = await serveHub({
      maxConnectionBytes: 40_000,
      maxPositionLength: 14_000,
      maxTopicsPerConnection: 90,
      pollMs: 20,
    });
    const topics = Array.from({ length: count }, (_, i) => `${name}${String(i).padStart(2, "0")}`);
    const query = String(new URLSearchParams(topics.map((topic) => ["topic", topic])));
    const { messages, errors, opens } = follow(`${origin}/?${query}`, { wires: [wire] });
    await until(() => opens.length === 1);
    const all = Array.from({ length: 400 }, (_, i) => i);
    for (const i of all) {
      await hub.topic(topics[i % count] as string).publish({ i, padding: "x".repeat(400) });
      if (i % 20 === 0) await turns();
    }
    await until(() => messages.length === 400 && responses.length > 3);
    expect([errors, messages.map(({ data }) => (data as { i: number }).i).sort((a, b) => a - b)]).toEqual([[], all]);
    for (const { req } of responses.slice(1)) {
      expect(req.url?.length).toBeLessThan(8000);
      expect("last-event-id" in req.headers).toBe(isInHeader);
      expect(new URLSearchParams(req.url?.slice(2)).get("lastEventId") === "").toBe(isInHeader);
    }
  });

  test("resumes several topics from one position", async () => {
    const { hub, origin } = await serveHub();
    const first = follow(`${origin}/?topic=a&topic=%C3%A4%20b`, { wires: [wire] });
    await until(() => first.opens.length === 1);
    await hub.topic("a").publish(1);
    await hub.topic("ä b").publish(2);
    await until(() => first.messages.length === 2);
    first.source.close();
    await hub.topic("a").publish(3);
    await hub.topic("ä b").publish(4);
    const position = encodeURIComponent(first.source.lastEventId);
    const second = follow(`${origin}/?topic=a&topic=%C3%A4%20b&lastEventId=${position}`, { wires: [wire] });
    await until(() => second.messages.length === 2);
    expect(second.opens[0]?.states).toEqual({ a: "recovered", "ä b": "recovered" });
    expect(data(second.messages).sort()).toEqual([3, 4]);
  });

  test("loses and doubles nothing when connections are recycled, and dispatches no event for it", async () => {
    const { hub, origin, reasons } = await serveHub({ maxConnectionBytes: 1024, pollMs: 20 });
    const { source, opens, messages, gaps, errors } = follow(`${origin}/?topic=a`, { wires: [wire] });
    await until(() => opens.length === 1);
    for (let i = 0; i < 200; i += 1) {
      await hub.topic("a").publish(`message ${i}`.padEnd(100));
      if (i % 10 === 0) await turns();
    }
    await until(() => messages.length === 200);
    expect(data(messages).map((text) => Number.parseInt((text as string).slice(8)))).toEqual([...Array(200).keys()]);
    expect(reasons.filter((reason) => reason === "recycle" || reason === "poll").length).toBeGreaterThan(1);
    expect([opens.length, gaps.length, errors.length, source.readyState]).toEqual([1, 0, 0, 1]);
  });

  test("dispatches a gap after the log has evicted messages", async () => {
    const { hub, origin } = await serveHub({ log: { maxEntries: 5 } });
    const position = await hub.topic("a").publish(0);
    for (let i = 1; i <= 10; i += 1) await hub.topic("a").publish(i);
    const { messages, gaps } = follow(`${origin}/?topic=a&lastEventId=${position}`, { wires: [wire] });
    await until(() => messages.length === 5);
    expect(gaps).toMatchObject([{ topic: "a", missed: 5 }]);
    expect(data(messages)).toEqual([6, 7, 8, 9, 10]);
  });

  test("dispatches a gap of unknown size at another epoch", async () => {
    const { hub, origin } = await serveHub();
    const { messages, gaps } = follow(`${origin}/?topic=a&from=oldest&lastEventId=a=other.7`, { wires: [wire] });
    await until(() => gaps.length === 1);
    expect(gaps).toMatchObject([{ topic: "a", missed: null }]);
    await hub.topic("a").publish("new");
    await until(() => messages.length === 1);
  });

  test("closes after a permanent refusal, with the server's own detail", async () => {
    const { origin } = await serveHub({ authorize: () => 403 });
    const { source, errors, closes } = follow(`${origin}/?topic=a`, { wires: [wire] });
    await until(() => closes.length === 1);
    expect(errors).toMatchObject([
      {
        code: "ERR_FORBIDDEN",
        status: 403,
        retryMs: null,
        detail: "This client is not allowed to follow these topics.",
      },
    ]);
    expect([source.readyState, closes]).toEqual([2, ["error"]]);
  });

  test("calls `headers` once more after a 401, and keeps the position", async () => {
    let allowed = "one";
    const { hub, origin, opened } = await serveHub({
      authorize: ({ headers }) => (headers.get("authorization") === allowed ? true : 401),
      pollMs: 20,
      maxConnectionAgeMs: 60,
    });
    const asked: string[] = [];
    const { messages, gaps, errors, closes } = follow(`${origin}/?topic=a`, {
      wires: [wire],
      headers: async () => {
        await Promise.resolve();
        const authorization = asked.length === 0 ? "old" : allowed;
        asked.push(authorization);
        return { authorization };
      },
    });
    await until(() => opened.length > 0);
    expect(asked.slice(0, 2)).toEqual(["old", "one"]);
    await hub.topic("a").publish(1);
    await until(() => messages.length === 1);
    allowed = "two";
    await hub.topic("a").publish(2);
    await until(() => asked.includes("two"));
    await hub.topic("a").publish(3);
    await until(() => messages.length === 3);
    expect([data(messages), gaps, errors]).toEqual([[1, 2, 3], [], []]);
    expect(closes).toEqual([]);
  });

  test("iterates over all messages, with a connection only while the reader keeps up", async () => {
    const { hub, origin } = await serveHub();
    const { source, opens } = follow(`${origin}/?topic=a`, { wires: [wire] });
    const published = (async () => {
      await until(() => opens.length === 1);
      for (let i = 0; i < 3000; i += 1) {
        await hub.topic("a").publish(i);
        if (i % 100 === 99) await turns();
      }
    })();
    const read: unknown[] = [];
    for await (const event of source) {
      // It reads nothing more until there is more than it has room for.
      if (read.length === 0) await published;
      read.push(event.data);
      if (read.length === 3000) break;
    }
    expect(read).toEqual([...Array(3000).keys()]);
  });
});

describe("the server", () => {
  const flaky = async (
    answers: ((server: HubServer) => [number, string, string] | undefined)[],
  ): Promise<{ origin: string; server: HubServer }> => {
    const server = await serveHub();
    const { origin } = await serve((response) => {
      const answer = answers.shift()?.(server);
      if (answer === undefined) {
        relay(server.origin, response, (bytes) => void response.write(bytes));
        return;
      }
      const [status, type, body] = answer;
      response.writeHead(status, { "content-type": type });
      response.end(body);
    });
    return { origin, server };
  };

  test.each([
    ["500", [500, "text/plain", "no"], { code: "ERR_STATUS", status: 500 }],
    ["a page instead", [200, "text/html", "<p>Welcome to our hotel</p>"], { code: "ERR_CONTENT_TYPE", status: 200 }],
    ["a malformed frame", [200, "application/x-ndjson", "{]\n"], { code: "ERR_FRAME" }],
    ["a frame without its members", [200, "application/x-ndjson", '{"open":{}}\n'], { code: "ERR_FRAME" }],
    ["a stream that is no stream", [200, "application/x-ndjson", ""], { code: "ERR_NETWORK" }],
  ] as const)("is asked again after it answers with %s", async (_, answer, error) => {
    const { origin, server } = await flaky([() => answer as never]);
    const { opens, errors, messages, closes } = follow(`${origin}/?topic=a`, { wires: [ndjson] });
    await until(() => opens.length === 1);
    expect(errors).toMatchObject([error]);
    expect(errors[0]?.retryMs).toBeLessThanOrEqual(20);
    await server.hub.topic("a").publish(1);
    await until(() => messages.length === 1);
    expect(closes).toEqual([]);
  });

  test("may cut the connection between an opening and its gap, which is still dispatched", async () => {
    let position = "";
    const { origin, server } = await flaky([
      () => [200, "application/x-ndjson", `{"open":{"states":{"a":"gap"},"position":"${position}","heartbeatMs":0}}\n`],
    ]);
    position = await server.hub.topic("a").publish(1);
    const { gaps, source } = follow(`${origin}/?topic=a&lastEventId=a=other.3`, { wires: [ndjson] });
    // The gap begins before the message, whose position follows.
    await until(() => gaps.length > 0 && source.lastEventId === position);
    expect(gaps).toMatchObject([{ topic: "a", missed: null }]);
  });

  test("may be unreachable", async () => {
    const { errors, source } = follow("http://127.0.0.1:9/?topic=a", { wires: [ndjson] });
    await until(() => errors.length >= 3);
    expect(errors[0]).toMatchObject({ code: "ERR_NETWORK" });
    expect(source.readyState).toBe(0);
  });

  test("may shut down, and delays the reconnect", async () => {
    const first = await serveHub();
    const { opens, errors, closes } = follow(`${first.origin}/?topic=a`, { wires: [ndjson] });
    await until(() => opens.length === 1);
    await first.hub.close({ drainMs: 0 });
    await until(() => errors.length === 1);
    expect(errors[0]).toMatchObject({ code: "ERR_CLOSED", status: 503 });
    expect(errors[0]?.retryMs).toBeGreaterThanOrEqual(1000);
    expect(closes).toEqual([]);
  });
});

test("throws at once for an invalid URL", () => {
  expect(() => new CometSource("http://")).toThrow(TypeError);
  expect(() => new CometSource("/relative")).toThrow(TypeError);
});

test("closes with ERR_WIRE if no wire is possible", async () => {
  const { errors, closes } = follow("http://127.0.0.1:9/", { wires: [] });
  await until(() => closes.length === 1);
  expect(errors).toMatchObject([{ code: "ERR_WIRE", retryMs: null }]);
});

test("replaces a wire that a proxy holds back by the next, and skips it after the second time", async () => {
  const { hub, origin } = await serveHub({ pollMs: 50 });
  // The proxy passes nothing on before the end.
  const asked: string[] = [];
  const proxy = await serve((response) => {
    asked.push(new URL(response.req.url ?? "", origin).searchParams.get("wire") ?? "");
    const held: Uint8Array[] = [];
    relay(
      origin,
      response,
      (bytes) => void held.push(bytes),
      () => void response.write(Buffer.concat(held)),
    );
  });
  const { opens, messages, errors } = follow(`${proxy.origin}/?topic=a`, { wires: [ndjson, poll], openTimeoutMs: 500 });
  await until(() => opens.length === 1);
  expect(opens[0]?.wire).toBe("poll");
  for (let i = 0; i < 20; i += 1) {
    await hub.topic("a").publish(i);
    await until(() => messages.length === i + 1);
  }
  expect(data(messages)).toEqual([...Array(20).keys()]);
  expect(asked.filter((wire) => wire === "ndjson")).toHaveLength(2);
  expect(errors).toEqual([]);
});

test("breaks a connection that is silent for two heartbeats", async () => {
  const server = await serveHub({ heartbeatMs: 50 });
  const { origin } = await serve((response) => {
    const { url = "" } = response.req;
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.write(`{"open":{"states":{"a":"fresh"},"position":"a=e.0","heartbeatMs":50}}\n`);
    expect(url).toContain("topic=a");
  });
  expect(server.errors).toEqual([]);
  const { errors } = follow(`${origin}/?topic=a`, { wires: [ndjson] });
  await until(() => errors.length === 1);
  expect(errors).toMatchObject([{ code: "ERR_SILENT" }]);
});

test("delivers to other listeners and the next message after a listener has thrown", async () => {
  const { hub, origin } = await serveHub();
  const { source, opens, messages } = follow(`${origin}/?topic=a`, { wires: [ndjson] });
  const thrown: unknown[] = [];
  const onUncaught = (error: unknown): void => void thrown.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", onUncaught);
  onTestFinished(() => {
    process.off("uncaughtException", onUncaught);
    for (const other of others) process.on("uncaughtException", other);
  });
  source.addEventListener("message", () => {
    throw new Error("of the page's own");
  });
  await until(() => opens.length === 1);
  await hub.topic("a").publish(1);
  await hub.topic("a").publish(2);
  await until(() => messages.length === 2 && thrown.length === 2);
});

test("rejects an iteration with the fatal error", async () => {
  const { origin } = await serveHub({ authorize: () => 404 });
  const { source } = follow(`${origin}/?topic=a`, { wires: [ndjson] });
  await expect(
    (async () => {
      for await (const event of source) expect.fail(String(event.data));
    })(),
  ).rejects.toMatchObject({ code: "ERR_TOPIC_UNKNOWN" });
});
