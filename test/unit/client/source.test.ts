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

/** Waits are short here. */
const quick = { retryMs: 5, maxRetryMs: 20, openTimeoutMs: 300 } as const;
const wires: readonly (readonly [string, ClientWire])[] = [
  ["ndjson", ndjson],
  ["poll", poll],
];

const sources = new Set<CometSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
});

/** A source, and everything it has told. */
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
  const told = { source, opens: [], messages: [], gaps: [], errors: [], closes: [] } as ReturnType<typeof follow>;
  source.onopen = (event) => told.opens.push(event);
  source.onmessage = (event) => told.messages.push(event as CometMessageEvent<never>);
  source.ongap = (event) => told.gaps.push(event);
  source.onerror = (event) => told.errors.push(event);
  source.onclose = ({ reason }) => told.closes.push(reason);
  return told;
}

/** Serves over HTTP/1.1. */
const serve = (handler: (response: ServerResponse) => void): Promise<TestServer> =>
  serveAny((response) => handler(response as ServerResponse));

/** Asks another server the same, and gives its answer to `take` as it comes. */
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
  test("messages come with their types, names, keys and positions", async () => {
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

  test("several topics have one position, and resume by it", async () => {
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

  test("nothing is lost or doubled over recycling, of which the page hears nothing", async () => {
    const { hub, origin, reasons } = await serveHub({ maxConnectionBytes: 1024, pollMs: 20 });
    const { source, opens, messages, gaps, errors } = follow(`${origin}/?topic=a`, { wires: [wire] });
    await until(() => opens.length === 1);
    for (let i = 0; i < 200; i += 1) {
      await hub.topic("a").publish(`message ${i}`.padEnd(100));
      if (i % 10 === 0) await turns();
    }
    await until(() => messages.length === 200);
    expect(data(messages).map((text) => Number.parseInt((text as string).slice(8)))).toEqual([...Array(200).keys()]);
    expect(reasons.filter((reason) => reason === "recycle" || reason === "poll").length).toBeGreaterThan(3);
    expect([opens.length, gaps.length, errors.length, source.readyState]).toEqual([1, 0, 0, 1]);
  });

  test("a log that has passed it is a gap", async () => {
    const { hub, origin } = await serveHub({ log: { maxEntries: 5 } });
    const position = await hub.topic("a").publish(0);
    for (let i = 1; i <= 10; i += 1) await hub.topic("a").publish(i);
    const { messages, gaps } = follow(`${origin}/?topic=a&lastEventId=${position}`, { wires: [wire] });
    await until(() => messages.length === 5);
    expect(gaps).toMatchObject([{ topic: "a", missed: 5 }]);
    expect(data(messages)).toEqual([6, 7, 8, 9, 10]);
  });

  test("a server of another epoch is a gap of nobody knows how many", async () => {
    const { hub, origin } = await serveHub();
    const { messages, gaps } = follow(`${origin}/?topic=a&from=oldest&lastEventId=a=other.7`, { wires: [wire] });
    await until(() => gaps.length === 1);
    expect(gaps).toMatchObject([{ topic: "a", missed: null }]);
    await hub.topic("a").publish("new");
    await until(() => messages.length === 1);
  });

  test("what is refused for good closes it, with the server's own words", async () => {
    const { origin } = await serveHub({ authorize: () => 403 });
    const { source, errors, closes } = follow(`${origin}/?topic=a`, { wires: [wire] });
    await until(() => closes.length === 1);
    expect(errors).toMatchObject([
      { code: "ERR_FORBIDDEN", status: 403, retryMs: null, detail: "You may not follow these topics." },
    ]);
    expect([source.readyState, closes]).toEqual([2, ["error"]]);
  });

  test("after a 401 the headers are asked for once more, and the position is kept", async () => {
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

  test("it is iterable, and takes a connection only while there is room", async () => {
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
    ["204", [204, "text/plain", ""], { code: "ERR_STATUS", status: 204 }],
    ["a page instead", [200, "text/html", "<p>Welcome to our hotel</p>"], { code: "ERR_CONTENT_TYPE", status: 200 }],
    ["a malformed frame", [200, "application/x-ndjson", "{]\n"], { code: "ERR_FRAME" }],
    ["a frame without its members", [200, "application/x-ndjson", '{"open":{}}\n'], { code: "ERR_FRAME" }],
    ["a stream that is no stream", [200, "application/x-ndjson", ""], { code: "ERR_NETWORK" }],
  ] as const)("may answer with %s, and is asked again", async (_, answer, error) => {
    const { origin, server } = await flaky([() => answer as never]);
    const { opens, errors, messages, closes } = follow(`${origin}/?topic=a`, { wires: [ndjson] });
    await until(() => opens.length === 1);
    expect(errors).toMatchObject([error]);
    expect(errors[0]?.retryMs).toBeLessThanOrEqual(20);
    await server.hub.topic("a").publish(1);
    await until(() => messages.length === 1);
    expect(closes).toEqual([]);
  });

  test("may break off between an opening and its gap, which is heard of all the same", async () => {
    let position = "";
    const { origin, server } = await flaky([
      () => [200, "application/x-ndjson", `{"open":{"states":{"a":"gap"},"position":"${position}","heartbeatMs":0}}\n`],
    ]);
    position = await server.hub.topic("a").publish(1);
    const { gaps, source } = follow(`${origin}/?topic=a&lastEventId=a=other.3`, { wires: [ndjson] });
    await until(() => gaps.length === 1);
    expect(gaps).toMatchObject([{ topic: "a", missed: null }]);
    expect(source.lastEventId).toBe(position);
  });

  test("may be away", async () => {
    const { errors, source } = follow("http://127.0.0.1:9/?topic=a", { wires: [ndjson] });
    await until(() => errors.length >= 3);
    expect(errors[0]).toMatchObject({ code: "ERR_NETWORK" });
    expect(source.readyState).toBe(0);
  });

  test("may go down, and says when to come back", async () => {
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

test("an address that is none is an error at once", () => {
  expect(() => new CometSource("http://")).toThrow(TypeError);
  expect(() => new CometSource("/relative")).toThrow(TypeError);
});

test("a page that has none of the wires is told", async () => {
  const { errors, closes } = follow("http://127.0.0.1:9/", { wires: [] });
  await until(() => closes.length === 1);
  expect(errors).toMatchObject([{ code: "ERR_WIRE", retryMs: null }]);
});

test("a wire that opens but is held back gives way to the next, for good once it was so twice", async () => {
  const { hub, origin } = await serveHub({ pollMs: 50 });
  // A proxy that passes nothing on before the end.
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
  const { opens, messages, errors } = follow(`${proxy.origin}/?topic=a`, { wires: [ndjson, poll], openTimeoutMs: 100 });
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

test("a connection that falls silent is left", async () => {
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

test("what a listener throws costs neither the others nor the next message anything", async () => {
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

test("an iteration fails with the error that there is no coming back from", async () => {
  const { origin } = await serveHub({ authorize: () => 404 });
  const { source } = follow(`${origin}/?topic=a`, { wires: [ndjson] });
  await expect(
    (async () => {
      for await (const event of source) expect.fail(String(event.data));
    })(),
  ).rejects.toMatchObject({ code: "ERR_TOPIC_UNKNOWN" });
});
