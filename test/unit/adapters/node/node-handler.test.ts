import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import type { Socket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import { fetchHandler, Hub } from "../../../../src/index.ts";
import { exchange, isLeft, notedHub, serveHub, streams, wires, type HubServer } from "../../../support/hub.ts";
import { RawRequest, serve, type Protocol } from "../../../support/servers.ts";
import { until } from "../../../support/sources.ts";

const idle = { connections: 0, lagging: 0, byWire: { comet: 0, sse: 0, ndjson: 0, poll: 0 } };

/** A client that records the data that it receives. */
class Client {
  status = 0;
  body = "";
  over = false;
  leave: () => void = () => undefined;

  read(status: number | undefined, stream: NodeJS.ReadableStream): void {
    this.status = status ?? 0;
    stream.on("data", (data: Buffer) => (this.body += data.toString()));
    stream.on("error", () => undefined);
    stream.on("close", () => (this.over = true));
  }
}

function open(protocol: Protocol, { origin }: HubServer, path: string): Client {
  const client = new Client();
  if (protocol === "http" || protocol === "https") {
    const { get } = protocol === "http" ? http : https;
    const request = get(`${origin}${path}`, { rejectUnauthorized: false, agent: false }, (response) =>
      client.read(response.statusCode, response),
    );
    request.on("error", () => undefined);
    client.leave = () => request.destroy();
  } else {
    const session = http2.connect(origin, { rejectUnauthorized: false });
    session.on("error", () => undefined);
    onTestFinished(() => session.destroy());
    const request = session.request({ ":path": path });
    request.on("response", (headers) => client.read(headers[":status"], request));
    request.on("error", () => undefined);
    client.leave = () => request.close(http2.constants.NGHTTP2_CANCEL);
  }
  return client;
}

describe.each<Protocol>(["http", "https", "http2", "http2 over TLS"])("over %s", (protocol) => {
  test.each(streams)(
    "delivers a message on %s when it is published, and detects a client that leaves",
    async (wire) => {
      const server = await serveHub({}, protocol);
      const client = open(protocol, server, `/?topic=a&wire=${wire}`);
      await until(() => server.opened.length === 1);
      for (const message of ["kiki", "foo", "bar"]) {
        await server.hub.topic("a").publish(message);
        await until(() => client.body.includes(message));
      }
      expect(client.status).toBe(200);
      client.leave();
      await until(() => server.reasons.length === 1);
      expect(server.reasons).toEqual(["client"]);
      expect(server.hub.stats()).toMatchObject(idle);
      expect(server.errors).toEqual([]);
    },
  );

  test("sends a complete poll, and reports a rejection", async () => {
    const server = await serveHub({}, protocol);
    await server.hub.topic("a").publish("kiki");
    const polled = open(protocol, server, "/?topic=a&wire=poll&from=oldest");
    const refused = open(protocol, server, "/?wire=poll");
    await until(() => polled.over && refused.over);
    expect(JSON.parse(polled.body)).toMatchObject([{ open: {} }, { data: "kiki" }, { end: { reason: "poll" } }]);
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.body)).toMatchObject({ code: "ERR_TOPIC" });
    expect(server.reasons).toEqual(["poll"]);
    await until(() => server.hub.stats().connections === 0);
  });

  test("ends the response when the hub closes", async () => {
    const server = await serveHub({}, protocol);
    const client = open(protocol, server, "/?topic=a&wire=ndjson");
    await until(() => server.opened.length === 1);
    server.opened[0]?.close("gone");
    await until(() => client.over);
    expect(client.body).toMatch(/\{"end":\{"reason":"gone","position":"[^"]+","retryMs":null\}\}\n$/);
    expect(server.reasons).toEqual(["gone"]);
  });

  test("opens no subscription if the client leaves before authorize has answered", async () => {
    const answers: ((allow: boolean) => void)[] = [];
    const server = await serveHub({ authorize: () => new Promise((resolve) => answers.push(resolve)) }, protocol);
    const client = open(protocol, server, "/?topic=a&wire=ndjson");
    const stays = open(protocol, server, "/?topic=a&wire=ndjson");
    await until(() => answers.length === 2);
    client.leave();
    await until(() => server.responses.some(isLeft));
    for (const answer of answers) answer(true);
    await until(() => stays.body !== "");
    expect(server.opened).toHaveLength(1);
    expect(server.hub.stats()).toMatchObject({ connections: 1, opened: 1 });
    expect(server.errors).toEqual([]);
  });
});

describe("on HTTP/1.1", () => {
  test("sends each write of the hub as a chunk, and the last chunk at its end", async () => {
    const { hub, port, opened } = await serveHub();
    const request = await RawRequest.get(port, "/?topic=a&wire=ndjson").has(1);
    expect(request.texts[0]).toMatch(/^\{"open":.*\}\n$/);
    await hub.topic("a").publish("kiki");
    await request.has(2);
    expect(request.texts[1]).toMatch(/^\{"id":"a=\w+\.1","data":"kiki"\}\n$/);
    opened[0]?.close("gone");
    await request.has(4);
    expect(request.texts[3]).toBe("");
  });

  test("sends an HTTP/1.0 client the stream without chunks, and closes the connection at its end", async () => {
    const { hub, port, opened } = await serveHub();
    const request = new RawRequest(port, "GET /?topic=a&wire=ndjson HTTP/1.0\r\n\r\n");
    await until(() => opened.length === 1);
    await hub.topic("a").publish("kiki");
    await until(() => request.received.includes("kiki"));
    opened[0]?.close("gone");
    await request.over();
    expect(request.head).not.toMatch(/transfer-encoding/i);
    const lines = request.received.slice(request.head.length + 4).split("\n");
    expect(lines.map((line) => (line === "" ? "" : Object.keys(JSON.parse(line) as object)[0]))).toEqual([
      "open",
      "id",
      "end",
      "",
    ]);
  });

  test("serves polls one after the other on one connection", async () => {
    const server = await serveHub();
    const request = new RawRequest(server.port, "");
    for (let i = 1; i <= 3; i += 1) {
      await server.hub.topic("a").publish(`message ${i}`);
      request.socket.write("GET /?topic=a&wire=poll&from=oldest HTTP/1.1\r\nHost: x\r\n\r\n");
      await until(() => request.received.match(/"reason":"poll"/g)?.length === i);
    }
    expect(request.received.match(/content-length: \d+/gi)).toHaveLength(3);
    expect(request.ended).toBe(false);
    await until(() => server.hub.stats().connections === 0);
    expect(request.socket.listenerCount("close")).toBeLessThan(5);
  });

  test("answers pipelined requests in order, a stream last", async () => {
    const { hub, port, opened } = await serveHub();
    await hub.topic("a").publish("kiki");
    const get = (query: string): string => `GET /?${query} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const poll = get("topic=a&wire=poll&from=oldest");
    const request = new RawRequest(port, poll + get("") + poll + get("topic=a&wire=ndjson"));
    await until(() => opened.length === 3 && request.received.includes("application/x-ndjson"));
    await hub.topic("a").publish("foo");
    await until(() => request.received.includes('"foo"'));
    const types = request.received.match(/(?<=content-type: )[\w/+-]+/gi);
    expect(types).toEqual(["application/json", "application/problem+json", "application/json", "application/x-ndjson"]);
  });

  test("answers a request with a body, and keeps the connection", async () => {
    const { port } = await serveHub();
    const post = `POST /?topic=a HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n${"x".repeat(70_000)}`;
    const received = await exchange(port, `${post}GET /?wire=poll HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 405", "HTTP/1.1 400"]);
  });
});

describe("never rejects, and answers with 500", () => {
  test.each([
    ["an empty identity", { identity: "" }],
    ["an identity of 201 characters", { identity: "x".repeat(201) }],
    ["an identity with a line break", { identity: "a\nb" }],
    ["an identity that is no text", { identity: 5 as unknown as string }],
    ["no topics", { topics: [] }],
    ["an invalid header", { headers: { "a b": "c" } }],
    ["no options", null as unknown as object],
  ])("given %s", async (_, options) => {
    const isRejected = vi.fn();
    for (const given of [options, () => options, () => Promise.resolve(options)]) {
      const { hub, errors } = notedHub();
      const handle = nodeHandler(hub, given);
      const { port } = await serve((response) => void handle(response.req, response).catch(isRejected));
      const request = RawRequest.get(port, "/?topic=a&wire=sse");
      await until(() => request.received.includes("ERR_HANDLER"));
      expect(request.head).toMatch(/^HTTP\/1\.1 500 /);
      expect(errors).toHaveLength(1);
      expect(hub.stats().connections).toBe(0);
    }
    expect(isRejected).not.toHaveBeenCalled();
  });

  test("if onError itself throws", async () => {
    const log = vi.spyOn(console, "error").mockReturnValue();
    onTestFinished(() => log.mockRestore());
    const hub = new Hub({
      onError: () => {
        throw new Error("broken");
      },
    });
    const handle = nodeHandler(hub, { identity: "" });
    const isRejected = vi.fn();
    const { port } = await serve((response) => void handle(response.req, response).catch(isRejected));
    const request = RawRequest.get(port, "/?topic=a&wire=sse");
    await until(() => request.received.includes("ERR_HANDLER"));
    const response = await fetchHandler(hub, { identity: "" })(new Request("http://hub.test/?topic=a"));
    expect([response.status, log.mock.calls.length]).toEqual([500, 2]);
    expect(isRejected).not.toHaveBeenCalled();
  });
});

test("leaves nothing behind after 1,000 connects and disconnects", async () => {
  const server = await serveHub();
  const sockets = new Set<Socket>();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  onTestFinished(() => agent.destroy());
  const visit = (i: number): Promise<void> =>
    new Promise((resolve) => {
      const wire = wires[i % 4] ?? "poll";
      const request = http.get(`${server.origin}/?topic=t${i % 7}&wire=${wire}`, { agent }, (response) => {
        sockets.add(response.socket);
        response.on("error", () => undefined);
        if (wire === "poll") response.resume().on("end", resolve);
        else response.once("data", () => request.destroy());
      });
      request.on("error", () => undefined);
      request.on("close", resolve);
    });
  for (let i = 0; i < 1000; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, j) => visit(i + j)));
    void server.hub.topic("t1").publish(i);
  }
  await until(() => server.reasons.length === 1000);
  expect(server.opened).toHaveLength(1000);
  expect(server.hub.stats()).toMatchObject({ ...idle, opened: 1000, rejected: 0 });
  expect([...server.hub.subscriptions()]).toEqual([]);
  expect(server.reasons.filter((reason) => reason === "poll")).toHaveLength(250);
  expect(server.errors).toEqual([]);
});

test("leaves nothing behind on a connection that serves many polls", async () => {
  const { hub } = notedHub();
  const counts: number[] = [];
  const server = await serve((response) => {
    const { socket } = response.req;
    counts.push(["close", "error", "drain", "end"].reduce((sum, name) => sum + socket.listenerCount(name), 0));
    void nodeHandler(hub)(response.req, response);
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  for (let i = 0; i < 30; i += 1) {
    await new Promise<void>((resolve) => {
      http.get(`${server.origin}/?topic=a&wire=poll`, { agent }, (response) => response.resume().on("end", resolve));
    });
  }
  expect(counts).toHaveLength(30);
  expect(new Set(counts.slice(1)).size).toBe(1);
});
