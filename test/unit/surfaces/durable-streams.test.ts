import { once } from "node:events";
import { createServer } from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../src/adapters/node/index.ts";
import { isAdmission } from "../../../src/hub/admission/decision.ts";
import { Connection } from "../../../src/hub/delivery/connection.ts";
import { fetchHandler, type Endpoint, type Hub, type RequestOptions } from "../../../src/index.ts";
import { durableStreams, type StreamAction } from "../../../src/surfaces/durable-streams/index.ts";
import { compressesAll } from "../../support/compresses-all.ts";
import { bytes, json, LiveReader, testStreams, text, type Sent } from "../../support/durable-streams.ts";
import { FakeSink, flushed } from "../../support/fake-sink.ts";
import { notedHub } from "../../support/hub.ts";
import { RawRequest } from "../../support/servers.ts";
import { expectCode, until } from "../../support/sources.ts";

/** Opens a live reader of `/s` onto a fake sink. */
async function openOn(endpoint: Endpoint, query = "offset=-1&live=sse", sink = new FakeSink()): Promise<FakeSink> {
  const get = (name: string): string | null => (compressesAll && name === "accept-encoding" ? "gzip" : null);
  const decision = await endpoint._decide({ method: "GET", url: `/s?${query}`, headers: { get } }, () => ({}));
  if (!isAdmission(decision)) throw new Error(decision.body);
  if (decision.isPacked) sink.inflate();
  decision.open(sink);
  return sink;
}

/** Has all sinks of a hub take more. */
async function drain(hub: Hub): Promise<void> {
  for (const subscription of hub.subscriptions()) {
    expect(subscription).toBeInstanceOf(Connection);
    if (subscription instanceof Connection) subscription.drained();
  }
  await flushed();
}

describe("live readers", () => {
  test("get the same bytes by one pass of the hub", async () => {
    const { streams, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: json });
    const sinks = [await openOn(streams), await openOn(streams), await openOn(streams)];
    await flushed();
    await succeed("POST", "/s", { headers: json, body: '{"n":1}' });
    await flushed();
    const [first, ...others] = sinks.map((sink) => sink.bytes.at(-1));
    expect(sinks[0]?.pieces.at(-1)).toContain('data:[{"n":1}]');
    for (const other of others) expect(other).toBe(first);
  });

  test("are told that they have caught up at the end of a backlog only", async () => {
    const { succeed } = testStreams();
    await succeed("PUT", "/s", { headers: json, body: "[1,2,3]" });
    const reader = await new LiveReader(await succeed("GET", "/s?offset=-1&live=sse")).has(3);
    expect(reader.events.map(({ type }) => type)).toEqual(["data", "control", "data", "control", "data", "control"]);
    expect(reader.controls.map(({ upToDate }) => upToDate)).toEqual([undefined, undefined, true]);
    const offsets = reader.controls.map(({ streamNextOffset }) => String(streamNextOffset));
    const last = (await succeed("HEAD", "/s")).headers.get("stream-next-offset");
    expect(offsets.at(-1)).toBe(last);
    expect(await (await succeed("GET", `/s?offset=${offsets[0] ?? ""}`)).json()).toEqual([2, 3]);
    reader.leave();
  });

  test("get every message once, in batches of any size and through a sink that stalls", async () => {
    const { streams, hub, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: text });
    const sink = await openOn(streams);
    const pieces = Array.from({ length: 400 }, (_, i) => `${i} ${"x".repeat((i * 37) % 900)}\n`);
    for (const [i, piece] of pieces.entries()) {
      sink.full = i % 3 === 0;
      await succeed("POST", "/s", { headers: text, body: piece });
      if (i % 7 !== 0) continue;
      sink.full = false;
      await drain(hub);
    }
    sink.full = false;
    await drain(hub);
    const reader = new LiveReader(new Response(sink.text, { headers: { "content-type": "text/event-stream" } }));
    await reader.ended();
    const types = reader.events.map(({ type }) => type);
    const data = types.filter((type) => type === "data").length;
    expect(data).toBe(400);
    // The first event is the place at the opening; then each message has one control.
    expect(types).toEqual(["control", ...Array.from({ length: 400 }, () => ["data", "control"]).flat()]);
    expect(reader.data.join("")).toBe(pieces.join(""));
  });

  test("end where messages are missing, and are refused with 410 after that", async () => {
    const { hub, streams, send, succeed } = testStreams({ log: { maxEntries: 2 } });
    const created = await succeed("PUT", "/s", { headers: json });
    const offset = created.headers.get("stream-next-offset") ?? "";
    const sink = new FakeSink();
    sink.full = true;
    await openOn(streams, "offset=-1&live=sse", sink);
    for (let n = 1; n <= 5; n += 1) await succeed("POST", "/s", { headers: json, body: String(n) });
    await flushed();
    sink.full = false;
    await drain(hub);
    expect([sink.state, sink.text.includes("event: data")]).toEqual(["ended", false]);
    const refused = await send("GET", `/s?offset=${offset}`);
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([410, "ERR_TOPIC_EXPIRED"]);
    expect((await send("GET", `/s?offset=${offset}&live=sse`)).status).toBe(410);
    expect(await (await succeed("GET", "/s?offset=now")).json()).toEqual([]);
  });

  test("end where the broker has lost messages, and never go on after them", async () => {
    const { hub, streams, send, succeed } = testStreams();
    const created = await succeed("PUT", "/s", { headers: json, body: "1" });
    const sink = await openOn(streams);
    await flushed();
    hub._surface.topics.live("s")?.restart("another", 7);
    await hub.topic("s").publish(2);
    await flushed();
    expect([sink.state, sink.text.includes("data:[2]")]).toEqual(["ended", false]);
    const offset = created.headers.get("stream-next-offset") ?? "";
    expect((await send("GET", `/s?offset=${offset}`)).status).toBe(410);
  });

  test("are over when the stream is deleted", async () => {
    const { send, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: json });
    const live = await new LiveReader(await succeed("GET", "/s?offset=-1&live=sse")).begun();
    const waiting = send("GET", "/s?offset=now&live=long-poll");
    await flushed();
    await succeed("DELETE", "/s");
    await live.ended();
    expect((await waiting).status).toBe(404);
  });

  test("are released by the hub's close", async () => {
    const { hub, send, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: json });
    const live = await new LiveReader(await succeed("GET", "/s?offset=-1&live=sse")).begun();
    const waiting = send("GET", "/s?offset=now&live=long-poll");
    await flushed();
    const closing = hub.close({ drainMs: 0 });
    await live.ended();
    expect((await waiting).status).toBe(204);
    await closing;
    expect((await send("GET", "/s")).status).toBe(503);
  });
});

describe("long polls", () => {
  test("share the body of the message that they wait for", async () => {
    const { streams, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: bytes });
    const request = { method: "GET", url: "/s?offset=now&live=long-poll", headers: { get: () => null } };
    const waiting = [1, 2, 3].map(async () => streams._decide(request, () => ({})));
    await flushed();
    await succeed("POST", "/s", { headers: bytes, body: new Uint8Array([1, 2, 3]) });
    const decisions = await Promise.all(waiting);
    const [first, ...others] = decisions.map((decision) => (isAdmission(decision) ? undefined : decision.bytes));
    expect(first).toEqual(new Uint8Array([1, 2, 3]));
    for (const other of others) expect(other).toBe(first);
  });

  test("take places of the hub's connections, and give them back", async () => {
    const { send, succeed } = testStreams({ maxConnections: 1 });
    await succeed("PUT", "/s", { headers: json });
    const waiting = send("GET", "/s?offset=now&live=long-poll");
    await flushed();
    const refused = await send("GET", "/s?offset=now&live=long-poll");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    expect((await send("GET", "/s?offset=-1&live=sse")).status).toBe(503);
    await succeed("POST", "/s", { headers: json, body: "1" });
    expect(await (await waiting).json()).toEqual([1]);
    const live = await new LiveReader(await succeed("GET", "/s?offset=-1&live=sse")).has(1);
    live.leave();
  });
});

describe("the content of a stream", () => {
  const content = fc.oneof(
    fc.record({ headers: fc.constant(bytes), body: fc.uint8Array({ minLength: 1, maxLength: 700 }) }),
    fc.record({
      headers: fc.constant(text),
      body: fc.string({ unit: "binary", minLength: 1, maxLength: 300 }).map((one) => new TextEncoder().encode(one)),
    }),
  );

  test("comes back byte for byte, also where an append is larger than a message", async () => {
    await fc.assert(
      fc.asyncProperty(content, fc.integer({ min: 16, max: 200 }), async ({ headers, body }, maxMessageBytes) => {
        const { hub, succeed } = testStreams({ maxMessageBytes });
        await succeed("PUT", "/s", { headers });
        await succeed("POST", "/s", { headers, body });
        const read = new Uint8Array(await (await succeed("GET", "/s")).arrayBuffer());
        expect(read).toEqual(body);
        await hub.close({ drainMs: 0 });
      }),
      { numRuns: 60 },
    );
  });

  test("is JSON whose values are messages, one level of an array", async () => {
    const { hub, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: json, body: "[]" });
    await succeed("POST", "/s", { headers: json, body: '[[1,2],{"<script>":"&"}]' });
    expect(await (await succeed("GET", "/s")).json()).toEqual([[1, 2], { "<script>": "&" }]);
    const messages: unknown[] = [];
    for await (const { data } of hub.topic("s").messages({ from: "oldest" })) if (messages.push(data) === 2) break;
    expect(messages).toEqual([[1, 2], { "<script>": "&" }]);
  });

  test("runs nothing in a browser", async () => {
    const { succeed } = testStreams();
    await succeed("PUT", "/s", { headers: { "content-type": "text/html" }, body: "<script>alert(1)</script>" });
    const { headers } = await succeed("GET", "/s");
    expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'self'; sandbox");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  });
});

describe("a bad request", () => {
  const large = new Uint8Array(101);
  const chunked = (): ReadableStream => new Response(large).body as ReadableStream;
  const closed = { "stream-closed": "true" };
  const producer = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };

  test.each<[string, string, Sent, number, string]>([
    ["GET", "/none", {}, 404, "ERR_TOPIC_UNKNOWN"],
    ["POST", "/none", { headers: text, body: "x" }, 404, "ERR_TOPIC_UNKNOWN"],
    ["DELETE", "/none", {}, 404, "ERR_TOPIC_UNKNOWN"],
    ["PATCH", "/s", {}, 405, "ERR_METHOD"],
    ["GET", "/__ds/subscriptions/1", {}, 404, "ERR_TOPIC_UNKNOWN"],
    ["GET", "/%ff", {}, 400, "ERR_TOPIC"],
    ["PUT", `/${"x".repeat(201)}`, {}, 400, "ERR_TOPIC"],
    ["GET", `/${"x".repeat(9000)}`, {}, 414, "ERR_QUERY"],
    ["GET", "/s?offset=", {}, 400, "ERR_PARAMETER"],
    ["GET", "/s?offset=-1&offset=-1", {}, 400, "ERR_PARAMETER"],
    ["GET", "/s?live=sse", {}, 400, "ERR_PARAMETER"],
    ["GET", "/s?offset=-1&live=ws", {}, 400, "ERR_PARAMETER"],
    ["GET", "/s?offset=x", {}, 400, "ERR_REQUEST"],
    ["GET", "/s?offset=0000000000000009_abc", {}, 410, "ERR_TOPIC_EXPIRED"],
    ["PUT", "/n", { headers: { "content-type": "nothing" } }, 400, "ERR_REQUEST"],
    ["PUT", "/n", { headers: { "stream-ttl": "+1" } }, 400, "ERR_REQUEST"],
    ["PUT", "/n", { headers: { "stream-ttl": "1", "stream-expires-at": "2030-01-01T00:00:00Z" } }, 400, "ERR_REQUEST"],
    ["PUT", "/n", { headers: { "stream-expires-at": "tomorrow" } }, 400, "ERR_REQUEST"],
    ["PUT", "/n", { headers: { "stream-fork-offset": "-1" } }, 400, "ERR_REQUEST"],
    ["PUT", "/n", { headers: { "stream-forked-from": "/none" } }, 404, "ERR_TOPIC_UNKNOWN"],
    ["PUT", "/s", { headers: json }, 409, "ERR_CONFLICT"],
    ["POST", "/s", { headers: text }, 400, "ERR_REQUEST"],
    ["POST", "/s", { headers: json, body: "1" }, 409, "ERR_CONFLICT"],
    ["POST", "/s", { headers: text, body: new Uint8Array([0xff]) }, 400, "ERR_REQUEST"],
    ["POST", "/s", { headers: text, body: large }, 413, "ERR_BODY_SIZE"],
    ["POST", "/s", { headers: text, body: chunked() }, 413, "ERR_BODY_SIZE"],
    ["POST", "/j", { headers: json, body: "{" }, 400, "ERR_REQUEST"],
    ["POST", "/j", { headers: json, body: "[]" }, 400, "ERR_REQUEST"],
    ["POST", "/j", { headers: json, body: `"${"x".repeat(60)}"` }, 413, "ERR_BODY_SIZE"],
    ["POST", "/s", { headers: { ...text, "producer-id": "p" }, body: "x" }, 400, "ERR_REQUEST"],
    [
      "POST",
      "/s",
      { headers: { ...text, ...producer, "producer-id": "p".repeat(129) }, body: "x" },
      400,
      "ERR_REQUEST",
    ],
    ["POST", "/s", { headers: { ...text, ...producer, "producer-seq": "3" }, body: "x" }, 409, "ERR_CONFLICT"],
    ["POST", "/closed", { headers: text, body: "x" }, 409, "ERR_ENDED"],
    ["POST", "/fenced", { headers: { ...text, ...producer }, body: "x" }, 403, "ERR_PRODUCER_LOST"],
  ])("%s %s %j gets %i %s as a problem", async (method, path, sent, status, code) => {
    const { errors, hub, send, succeed } = testStreams({ maxMessageBytes: 50 }, { maxBodyBytes: 100 });
    await succeed("PUT", "/s", { headers: text, body: "begun" });
    await succeed("PUT", "/j", { headers: json });
    await succeed("PUT", "/closed", { headers: { ...text, ...closed } });
    await succeed("PUT", "/fenced", { headers: text });
    await succeed("POST", "/fenced", { headers: { ...text, ...producer, "producer-epoch": "1" }, body: "x" });
    const { rejected } = hub.stats();
    const response = await send(method, path, sent);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({ type: `urn:comet-sockets:${code}`, status, code });
    expect(response.status).toBe(status);
    expect(hub.stats().rejected).toBe(rejected + 1);
    expect(errors).toEqual([]);
    expect(await (await succeed("GET", "/s")).text()).toBe("begun");
  });

  test("cannot create more streams than the limit", async () => {
    const { send, succeed } = testStreams({}, { maxStreams: 2 });
    await succeed("PUT", "/a");
    await succeed("PUT", "/b");
    const refused = await send("PUT", "/c");
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, "ERR_LIMIT"]);
    await succeed("PUT", "/b");
    await succeed("DELETE", "/a");
    await succeed("PUT", "/c");
  });

  test("is counted for the rate of its client's address", async () => {
    const { streams } = testStreams({ maxRequestsPerSecondPerAddress: 1 });
    const handle = fetchHandler(streams, { address: "192.0.2.1" });
    await handle(new Request("http://hub.test/a", { method: "PUT" }));
    expect((await handle(new Request("http://hub.test/a"))).status).toBe(429);
  });
});

describe("authorize", () => {
  test("decides on each action with the stream's name and the context of the request", async () => {
    const asked: [string, StreamAction, unknown][] = [];
    const { hub } = notedHub();
    const streams = durableStreams(hub, {
      prefix: "/streams/",
      authorize: (_, name, action, context) => {
        asked.push([name, action, context]);
        return action !== "delete";
      },
    });
    const handle = fetchHandler(streams, (): RequestOptions => ({ context: "ann" }));
    const send = async (method: string, path: string, headers = {}): Promise<number> =>
      (await handle(new Request(`http://hub.test/streams/${path}`, { method, headers }))).status;
    expect(await send("PUT", "a%20b")).toBe(201);
    expect(await send("PUT", "fork", { "stream-forked-from": "/streams/a%20b" })).toBe(201);
    expect(await send("GET", "fork")).toBe(200);
    expect(await send("HEAD", "fork")).toBe(200);
    expect(await send("POST", "fork", { "stream-closed": "true" })).toBe(204);
    expect(await send("DELETE", "fork")).toBe(403);
    expect(asked).toEqual([
      ["a b", "create", "ann"],
      ["fork", "create", "ann"],
      ["a b", "read", "ann"],
      ["fork", "read", "ann"],
      ["fork", "read", "ann"],
      ["fork", "close", "ann"],
      ["fork", "delete", "ann"],
    ]);
  });

  test("is the hub's for reading where there is no other, and nobody may write then", async () => {
    const { send } = testStreams({ authorize: (request) => request.headers.get("authorization") === "yes" });
    const statuses = async (headers: Record<string, string>): Promise<number[]> => {
      const methods = ["GET", "HEAD", "PUT", "POST", "DELETE"];
      return Promise.all(methods.map(async (method) => (await send(method, "/s", { headers })).status));
    };
    expect(await statuses({ authorization: "yes" })).toEqual([404, 404, 403, 403, 403]);
    expect(await statuses({})).toEqual([403, 403, 403, 403, 403]);
  });

  test("refuses before it is known whether the stream exists, and before the body is read", async () => {
    const { send } = testStreams({}, { authorize: () => 401 });
    let isRead = false;
    const body = new ReadableStream({ pull: () => void (isRead = true) }, { highWaterMark: 0 });
    const refused = await send("POST", "/s", { headers: text, body });
    expect([refused.status, refused.headers.get("www-authenticate"), isRead]).toEqual([401, "Bearer", false]);
  });

  test("ends a live reader whose permission ends", async () => {
    let expiresAt = Date.now() + 1e9;
    const { hub, succeed } = testStreams({}, { authorize: () => ({ identity: "ann", expiresAt }) });
    await succeed("PUT", "/s", { headers: json });
    const live = await new LiveReader(await succeed("GET", "/s?offset=-1&live=sse")).begun();
    const [subscription] = [...hub.subscriptions()];
    expect([subscription?.identity, subscription?.expiresAt]).toEqual(["ann", expiresAt]);
    expiresAt = 0;
    subscription?.update({ expiresAt });
    await live.ended();
  });

  test("makes answers private to their clients", async () => {
    const open = testStreams();
    await open.succeed("PUT", "/s", { headers: json, body: "1" });
    expect((await open.succeed("GET", "/s")).headers.get("cache-control")).toMatch(/^public, max-age=60/);
    const guarded = testStreams({}, { authorize: () => true });
    await guarded.succeed("PUT", "/s", { headers: json, body: "1" });
    expect((await guarded.succeed("GET", "/s")).headers.get("cache-control")).toMatch(/^private, max-age=60/);
  });

  test("reports its error, and the client gets 500", async () => {
    const failure = new Error("database");
    const { errors, send } = testStreams({}, { authorize: () => Promise.reject(failure) });
    expect((await send("GET", "/s")).status).toBe(500);
    expect(errors).toEqual([failure]);
  });
});

describe("options", () => {
  test.each([
    { prefix: "streams/" },
    { prefix: "/streams" },
    { maxBodyBytes: 0 },
    { maxStreams: 0 },
    { retentionMs: 2 ** 31 },
    { authorize: "no" as never },
  ])("%j is refused", async (options) => {
    const { hub } = notedHub();
    await expectCode("ERR_OPTION", () => durableStreams(hub, options));
  });
});

test("has no stream where the hub's topics say that there is no topic", async () => {
  const { send } = testStreams({ topics: (name) => name === "s" });
  expect((await send("PUT", "/s")).status).toBe(201);
  for (const method of ["PUT", "GET", "POST", "DELETE"]) expect((await send(method, "/other")).status).toBe(404);
});

test("gives a page of an allowed origin the headers that its client reads", async () => {
  const { send, succeed } = testStreams({ cors: { origins: ["https://app.test"] } });
  const preflight = await send("OPTIONS", "/s", { headers: { origin: "https://app.test" } });
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://app.test");
  expect(preflight.headers.get("access-control-allow-methods")).toContain("PUT");
  const created = await succeed("PUT", "/s", { headers: { origin: "https://app.test" } });
  expect(created.headers.get("access-control-expose-headers")).toContain("Stream-Next-Offset");
  const other = await succeed("HEAD", "/s", { headers: { origin: "https://evil.test" } });
  expect(other.headers.get("access-control-allow-origin")).toBeNull();
});

describe("nodeHandler", () => {
  async function serveStreams(handle: (endpoint: Endpoint) => Parameters<typeof createServer>[1], options = {}) {
    const made = testStreams({}, options);
    const server = createServer(handle(made.streams) as never);
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { ...made, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/s` };
  }

  test("keeps the connection after a body that is too large", async () => {
    const { url } = await serveStreams((endpoint) => nodeHandler(endpoint), { maxBodyBytes: 100_000 });
    await fetch(url, { method: "PUT", headers: bytes });
    const refused = await fetch(url, { method: "POST", headers: bytes, body: new Uint8Array(5_000_000) });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([413, "ERR_BODY_SIZE"]);
    // A body of unknown length, which the server takes to its end. The next request comes on the same connection.
    const { port } = new URL(url);
    const head = "POST /s HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n";
    const upload = new RawRequest(Number(port), head);
    const piece = `${(50_000).toString(16)}\r\n${"x".repeat(50_000)}\r\n`;
    for (let n = 0; n < 400; n += 1) if (!upload.socket.write(piece)) await once(upload.socket, "drain");
    upload.socket.write("0\r\n\r\nHEAD /s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const { received } = await upload.over();
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 200"]);
    const small = await fetch(url, { method: "POST", headers: bytes, body: new Uint8Array(90_000) });
    expect(small.status).toBe(204);
    expect((await (await fetch(url)).arrayBuffer()).byteLength).toBe(90_000);
  });

  test("reports a body that other code has read, and answers 500", async () => {
    const { errors, url } = await serveStreams((endpoint) => {
      const handle = nodeHandler(endpoint);
      return (request, response) => {
        request.resume();
        request.on("end", () => void handle(request, response));
      };
    });
    const response = await fetch(url, { method: "PUT", headers: text, body: "x" });
    expect(response.status).toBe(500);
    expect(errors).toMatchObject([{ code: "ERR_OPTION" }]);
  });

  test("streams to readers over HTTP/2", async () => {
    const { streams, succeed } = testStreams();
    await succeed("PUT", "/s", { headers: text, body: "a" });
    const server = http2.createServer(nodeHandler(streams));
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    onTestFinished(() => {
      session.destroy();
      server.close();
    });
    const post = session.request({ ":method": "POST", ":path": "/s", "content-type": "text/plain" });
    post.end("b");
    await new Promise((resolve) => post.on("response", resolve));
    const live = session.request({ ":path": "/s?offset=-1&live=sse" });
    let received = "";
    live.on("data", (data: Buffer) => (received += data.toString()));
    await until(() => received.includes("data:b") && received.includes("upToDate"));
    live.close();
  });
});
