/** Behavior of HTTP/2 only: streams that share a connection, each with a window. Tests of all protocols are in node-handler.test.ts. */
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { nodeHandler, type NodeHandlerLimits } from "../../../../src/adapters/node/index.ts";
import type { HubOptions } from "../../../../src/index.ts";
import { notedHub, type NotedHub } from "../../../support/hub.ts";
import { expectCode, turns, until } from "../../../support/sources.ts";

const idle = { connections: 0, lagging: 0, byWire: { comet: 0, sse: 0, ndjson: 0, poll: 0 } };
const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = http2.constants;

interface Served extends NotedHub {
  readonly server: Http2Server;
  readonly sessions: http2.ServerHttp2Session[];
  /** The server's side of each stream that is not closed. */
  readonly open: Set<http2.Http2ServerResponse>;
  /** A client's connection. */
  readonly session: ClientHttp2Session;
}

async function serveHttp2(
  options: HubOptions = {},
  limits: NodeHandlerLimits = {},
  prepare: (response: http2.Http2ServerResponse) => void = () => undefined,
): Promise<Served> {
  const noted = notedHub({ heartbeatMs: 0, ...options });
  const handle = nodeHandler(noted.hub, {}, limits);
  const open = new Set<http2.Http2ServerResponse>();
  const server = http2.createServer((request, response) => {
    open.add(response);
    prepare(response);
    response.stream.on("close", () => open.delete(response));
    void handle(request, response);
  });
  const sessions: http2.ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on("error", () => undefined);
  onTestFinished(() => {
    session.destroy();
    for (const one of sessions) one.destroy();
    server.close();
  });
  return { ...noted, server, sessions, open, session };
}

/** One stream, and the data that it has received. */
class Stream {
  body = "";
  over = false;
  readonly stream: ClientHttp2Stream;

  constructor({ session }: Served, wire = "ndjson") {
    this.stream = session.request({ ":path": `/?topic=a&wire=${wire}` });
    this.stream.on("data", (data: Buffer) => (this.body += data.toString("latin1")));
    this.stream.on("error", () => undefined);
    this.stream.on("close", () => (this.over = true));
  }

  get lines(): string[] {
    return this.body.split("\n").slice(0, -1);
  }
}

/** Opens streams, and waits until the hub has them all. */
async function streamsOf(served: Served, count: number): Promise<Stream[]> {
  const streams = Array.from({ length: count }, () => new Stream(served));
  await until(() => served.opened.length === count && streams.every(({ body }) => body !== ""));
  return streams;
}

async function expectAllGone({ hub, opened, open, closed, reasons, errors }: Served, reason: string): Promise<void> {
  await until(() => reasons.length >= opened.length && open.size === 0);
  await hub.topic("a").publish("to nobody");
  await turns();
  expect(reasons).toEqual(opened.map(() => reason));
  expect(new Set(closed.map(({ subscription }) => subscription))).toEqual(new Set(opened));
  expect(hub.stats()).toMatchObject(idle);
  expect(errors).toEqual([]);
}

/** More than a window, and less than the log. */
async function flood({ hub }: Served, messages = 40): Promise<void> {
  for (let i = 0; i < messages; i += 1) await hub.topic("a").publish("x".repeat(50_000));
}

describe("streams of one connection", () => {
  test("each receive published messages, and are independent of a reset one", async () => {
    const served = await serveHttp2();
    const [first, ...others] = await streamsOf(served, 5);
    first?.stream.close(NGHTTP2_CANCEL);
    await until(() => served.reasons.length === 1);
    expect(served.reasons).toEqual(["client"]);
    expect(served.hub.stats().connections).toBe(4);
    await served.hub.topic("a").publish("kiki");
    await until(() => others.every(({ body }) => body.includes("kiki")));
    expect(first?.body).not.toContain("kiki");
    for (const { stream } of others) stream.close(NGHTTP2_CANCEL);
    await expectAllGone(served, "client");
    expect(served.sessions).toHaveLength(1);
    expect(served.sessions[0]?.destroyed).toBe(false);
  });

  test.each([
    ["the client's end", ({ session }: Served) => session.destroy()],
    ["the server's end", ({ sessions }: Served) => sessions[0]?.destroy()],
    ["a reset of the TCP connection", ({ session }: Served) => session.socket.resetAndDestroy()],
  ])("are all closed with it: %s", async (_, end) => {
    const served = await serveHttp2();
    await streamsOf(served, 5);
    const publishing = flood(served, 5);
    end(served);
    await publishing;
    await expectAllGone(served, "client");
  });

  test("continue when their connection accepts no more, and close it when they end", async () => {
    const served = await serveHttp2();
    const streams = await streamsOf(served, 2);
    let closed = false;
    served.session.on("close", () => (closed = true));
    served.sessions[0]?.close();
    await served.hub.topic("a").publish("kiki");
    await until(() => streams.every(({ body }) => body.includes("kiki")));
    expect([closed, served.reasons]).toEqual([false, []]);
    for (const subscription of served.opened) subscription.close("gone");
    await until(() => closed);
    expect(streams.map(({ stream }) => stream.rstCode)).toEqual([NGHTTP2_NO_ERROR, NGHTTP2_NO_ERROR]);
    await expectAllGone(served, "gone");
  });
});

describe("a stream", () => {
  test("is written past its response", async () => {
    const write = vi.spyOn(http2.Http2ServerResponse.prototype, "write");
    onTestFinished(() => {
      write.mockRestore();
    });
    const served = await serveHttp2();
    const [stream] = (await streamsOf(served, 1)) as [Stream];
    await served.hub.topic("a").publish("kiki");
    await until(() => stream.body.includes("kiki"));
    expect(write).not.toHaveBeenCalled();
  });

  test("is written by a middleware that has changed the response", async () => {
    const written: string[] = [];
    const served = await serveHttp2({}, {}, (response) => {
      const write = response.write.bind(response);
      Reflect.set(response, "write", (bytes: Uint8Array) => {
        written.push(Buffer.from(bytes).toString());
        return write(bytes);
      });
    });
    const [stream] = (await streamsOf(served, 1)) as [Stream];
    await served.hub.topic("a").publish("kiki");
    await until(() => stream.body.includes("kiki"));
    expect(written.join("")).toBe(stream.body);
  });
});

describe("a stream that is not read", () => {
  const log = { maxBytes: 64 * 1024 * 1024 };

  test("delays no other of its connection, and receives all messages once it is read", async () => {
    const served = await serveHttp2({ log });
    const [slow, quick] = (await streamsOf(served, 2)) as [Stream, Stream];
    slow.stream.pause();
    await flood(served);
    await until(() => quick.lines.length === 41);
    expect(served.hub.stats()).toMatchObject({ connections: 2, lagging: 1 });
    expect(slow.body.length).toBeLessThan(1_000_000);
    slow.stream.resume();
    await until(() => slow.lines.length === 41);
    expect(slow.lines.slice(1)).toEqual(quick.lines.slice(1));
    await until(() => served.hub.stats().lagging === 0);
    await served.hub.topic("a").publish("kiki");
    await until(() => slow.body.includes("kiki") && quick.body.includes("kiki"));
    expect(served.reasons).toEqual([]);
  });

  test("is released when it is reset", async () => {
    const served = await serveHttp2({ log });
    const [slow] = (await streamsOf(served, 1)) as [Stream];
    slow.stream.pause();
    await flood(served);
    await until(() => served.hub.stats().lagging === 1);
    slow.stream.close(NGHTTP2_CANCEL);
    await expectAllGone(served, "client");
  });

  test("is reset once it has stalled, while its connection continues", async () => {
    // The clock is stopped until the quick stream has all messages: on a slow machine it would have stalled too.
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const served = await serveHttp2({ log, stallMs: 100 });
    const [slow, quick] = (await streamsOf(served, 2)) as [Stream, Stream];
    slow.stream.pause();
    await flood(served);
    await until(() => quick.lines.length === 41 && served.hub.stats().lagging === 1);
    expect(served.reasons).toEqual([]);
    vi.advanceTimersByTime(200);
    await until(() => served.reasons.length > 0);
    expect(served.reasons).toEqual(["stalled"]);
    slow.stream.resume();
    await until(() => slow.over);
    expect(slow.stream.rstCode).toBe(NGHTTP2_INTERNAL_ERROR);
    await served.hub.topic("a").publish("kiki");
    await until(() => quick.body.includes("kiki"));
    expect(served.hub.stats()).toMatchObject({ connections: 1, lagging: 0 });
  });
});

test.each(["ndjson", "sse", "comet"])(
  "ends each stream on %s cleanly, after all published messages, when the hub closes",
  async (wire) => {
    const served = await serveHttp2();
    const streams = [new Stream(served, wire), new Stream(served, wire)];
    await until(() => served.opened.length === 2);
    void served.hub.topic("a").publish("the last word");
    await served.hub.close({ drainMs: 20 });
    await until(() => streams.every(({ over }) => over));
    for (const { body, stream } of streams) {
      expect(body).toMatch(/the last word[^]*"reason":"drain"/);
      expect(stream.rstCode).toBe(NGHTTP2_NO_ERROR);
    }
    expect(served.reasons).toEqual(["drain", "drain"]);
    expect(served.hub.stats()).toMatchObject(idle);
    const late = new Stream(served, wire);
    let status: number | undefined;
    late.stream.on("response", (headers) => (status = headers[":status"]));
    await until(() => late.over);
    // An `EventSource` does not reconnect after a 503.
    expect(status).toBe(wire === "sse" ? 200 : 503);
    expect(late.body).toContain("ERR_CLOSED");
  },
);

describe("the limit of streams of one connection", () => {
  test.each([
    ["of 100 by default", 100, {}],
    ["that is set", 3, { maxStreamsPerConnection: 3 }],
  ])("%s resets further streams, and admits others when streams are over", async (_, max, limits) => {
    const served = await serveHttp2({}, limits);
    const streams = await streamsOf(served, max);
    const refused = [new Stream(served), new Stream(served, "poll"), new Stream(served, "nonsense")];
    await until(() => refused.every(({ over }) => over));
    expect(refused.map(({ stream }) => stream.rstCode)).toEqual(refused.map(() => NGHTTP2_REFUSED_STREAM));
    expect(served.hub.stats()).toMatchObject({ connections: max, opened: max, rejected: 0 });
    streams[0]?.stream.close(NGHTTP2_CANCEL);
    await until(() => served.reasons.length === 1 && served.open.size === max - 1);
    const next = new Stream(served);
    await until(() => next.body !== "");
    expect(served.hub.stats()).toMatchObject({ connections: max, opened: max + 1 });
  });

  test("counts a stream whose authorization is pending, and one with a window of 0", async () => {
    const answers: ((allow: boolean) => void)[] = [];
    const authorize = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
    const served = await serveHttp2({ authorize }, { maxStreamsPerConnection: 2 });
    served.session.settings({ initialWindowSize: 0 });
    const streams = Array.from({ length: 4 }, () => new Stream(served));
    await until(() => streams.filter(({ over }) => over).length === 2);
    expect(answers).toHaveLength(2);
    for (const answer of answers) answer(true);
    await until(() => served.opened.length === 2);
    served.session.destroy();
    await expectAllGone(served, "client");
  });

  test("is of each connection", async () => {
    const served = await serveHttp2({}, { maxStreamsPerConnection: 1 });
    await streamsOf(served, 1);
    const other = http2.connect(`http://127.0.0.1:${(served.server.address() as AddressInfo).port}`);
    onTestFinished(() => other.destroy());
    const second = new Stream({ ...served, session: other });
    await until(() => second.body !== "");
    expect(served.hub.stats().connections).toBe(2);
  });

  test.each([0, 1.5, NaN, "1"])("cannot be %s", async (maxStreamsPerConnection) => {
    const { hub } = notedHub();
    await expectCode("ERR_OPTION", () => nodeHandler(hub, {}, { maxStreamsPerConnection } as never));
  });
});
