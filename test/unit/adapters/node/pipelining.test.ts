/** Requests that are pipelined on one HTTP/1.1 connection: behind a stream, behind a waiting poll, and in floods. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler, sendChunked } from "../../../../src/adapters/node/index.ts";
import { Enumerator, type HubOptions } from "../../../../src/index.ts";
import { notedHub, streams, type NotedHub } from "../../../support/hub.ts";
import { RawRequest, serve } from "../../../support/servers.ts";
import { turns, until } from "../../../support/sources.ts";

const get = (query: string): string => `GET /?${query} HTTP/1.1\r\nHost: x\r\n\r\n`;
const stream = get("topic=a&wire=ndjson");

interface Served extends NotedHub {
  readonly port: number;
  /** The topics that `authorize` was asked about, in order. */
  readonly asked: string[];
  readonly sockets: Set<Socket>;
  /** The promises of the handler's calls. */
  readonly handled: Promise<void>[];
}

/** The handler on a plain server, or behind code that listens to the response, so that its connection is kept. */
const kinds = ["plain", "kept", "changed"] as const;
type Kind = (typeof kinds)[number];

/** Serves a hub without heartbeats. */
async function serveHub(kind: Kind = "plain", options: HubOptions = {}): Promise<Served> {
  const asked: string[] = [];
  const noted = notedHub({
    heartbeatMs: 0,
    authorize: (_, topics) => {
      asked.push(...topics);
      return true;
    },
    ...options,
  });
  const handler = nodeHandler(noted.hub);
  const [sockets, handled] = [new Set<Socket>(), [] as Promise<void>[]];
  const { port } = await serve((response) => {
    sockets.add(response.req.socket);
    if (kind === "kept") (response as ServerResponse).on("finish", () => undefined);
    if (kind === "changed") Reflect.set(response, "write", response.write.bind(response));
    handled.push(handler(response.req, response));
  });
  return { ...noted, port, asked, sockets, handled };
}

/** Expects a hub to hold nothing, and every call of its handler to be over. */
async function expectNothingHeld({ hub, handled, errors, sockets }: Served): Promise<void> {
  await Promise.all(handled);
  await until(() => hub.stats().connections === 0);
  expect(errors).toEqual([]);
  await until(() => [...sockets].every(({ destroyed }) => destroyed));
}

/** Records the warnings of the process, such as `MaxListenersExceededWarning`. */
function recordWarnings(): Error[] {
  const warnings: Error[] = [];
  const record = (warning: Error): void => void warnings.push(warning);
  process.on("warning", record);
  onTestFinished(() => void process.off("warning", record));
  return warnings;
}

describe.each(kinds)("behind a stream on a %s response, a request", (kind) => {
  test.each([
    ["for another stream", get("topic=b&wire=sse")],
    ["for a poll", get("topic=b&wire=poll")],
    ["that is bad", get("wire=poll")],
    ["of HEAD", "HEAD /?topic=b HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["with a body", `POST /?topic=b HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${"x".repeat(100_000)}`],
    ["that expects 100-continue", "GET /?topic=b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"],
    ["for an upgrade", "GET /?topic=b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
  ])("%s is not admitted, and the connection closes with the stream", async (_, behind) => {
    const served = await serveHub(kind);
    const request = new RawRequest(served.port, stream + behind);
    await until(() => request.received.includes('"open"'));
    await served.hub.topic("a").publish("kiki");
    await until(() => request.received.includes("kiki"));
    expect([served.asked, served.hub.stats().opened, request.ended]).toEqual([["a"], 1, false]);
    served.opened[0]?.close("gone");
    await request.over();
    expect(request.received).toMatch(/"reason":"gone"[^]*\r\n0\r\n\r\n$/);
    expect(request.received.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
    expect([served.asked, served.reasons]).toEqual([["a"], ["gone"]]);
    await expectNothingHeld(served);
  });

  test("that comes later is not admitted either", async () => {
    const served = await serveHub(kind);
    const request = new RawRequest(served.port, stream);
    await until(() => request.received.includes('"open"'));
    await new Promise((resolve) => request.socket.write(get("topic=b&wire=ndjson"), resolve));
    await served.hub.topic("a").publish("kiki");
    await until(() => request.received.includes("kiki"));
    await turns();
    served.opened[0]?.close("gone");
    await request.over();
    expect([served.asked, served.opened.length]).toEqual([["a"], 1]);
    await expectNothingHeld(served);
  });

  test("is released with the stream by a reset", async () => {
    const served = await serveHub(kind);
    const warnings = recordWarnings();
    const request = new RawRequest(served.port, stream.repeat(12));
    await until(() => served.handled.length === 12);
    request.socket.resetAndDestroy();
    await until(() => served.reasons.length === 1);
    expect([served.reasons, served.asked]).toEqual([["client"], ["a"]]);
    await expectNothingHeld(served);
    expect(warnings).toEqual([]);
  });
});

describe("behind a poll that waits", () => {
  const polls = async ({ hub }: NotedHub): Promise<{ position: string; poll: string }> => {
    const position = await hub.topic("a").publish(0);
    return { position, poll: get(`topic=a&wire=poll&lastEventId=${encodeURIComponent(position)}`) };
  };

  test("requests are admitted one by one, and answered in order", async () => {
    const served = await serveHub();
    const { poll } = await polls(served);
    const request = new RawRequest(served.port, poll + get("topic=b&wire=poll") + get("wire=poll") + poll);
    await until(() => served.handled.length === 4 && served.opened.length === 1);
    await turns();
    expect([served.asked, served.hub.stats().connections]).toEqual([["a"], 1]);
    await served.hub.topic("a").publish("kiki");
    await until(() => request.received.split('"kiki"').length === 3);
    expect(request.received.match(/HTTP\/1\.1 \d+/g)).toEqual([200, 200, 400, 200].map((s) => `HTTP/1.1 ${s}`));
    expect([served.asked, served.reasons]).toEqual([
      ["a", "b", "a"],
      ["poll", "poll", "poll"],
    ]);
    expect(request.ended).toBe(false);
    await until(() => served.hub.stats().connections === 0);
    for (const socket of served.sockets) expect(socket.listenerCount("close")).toBeLessThan(4);
  });

  test("a stream is opened in its turn, and closes the connection if others wait behind it", async () => {
    const served = await serveHub("kept");
    const { poll } = await polls(served);
    const request = new RawRequest(served.port, poll + stream + poll);
    await until(() => served.handled.length === 3 && served.opened.length === 1);
    await served.hub.topic("a").publish("kiki");
    await until(() => served.opened.length === 2);
    served.opened[1]?.close("gone");
    await request.over();
    expect([served.asked, served.reasons]).toEqual([
      ["a", "a"],
      ["poll", "gone"],
    ]);
    await expectNothingHeld(served);
  });

  test("a request with a body is not kept in memory, and a reset is noticed", async () => {
    const served = await serveHub();
    const { poll } = await polls(served);
    const post = `POST /?topic=b HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n`;
    const request = new RawRequest(served.port, poll + post);
    await until(() => served.handled.length === 2 && served.opened.length === 1);
    await new Promise((resolve) => request.socket.write("x".repeat(7_000_000), resolve));
    request.socket.resetAndDestroy();
    await until(() => served.reasons.length === 1);
    expect(served.reasons).toEqual(["client"]);
    await expectNothingHeld(served);
  });

  test("a request that expects 100-continue gets it before its own answer", async () => {
    const served = await serveHub();
    const { poll } = await polls(served);
    const expecting = get("topic=b&wire=poll").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    const refused = get("wire=poll");
    const request = new RawRequest(served.port, refused + expecting + poll + expecting);
    await until(() => served.handled.length === 4 && served.opened.length === 2);
    await served.hub.topic("a").publish("kiki");
    await until(() => request.received.split('"retryMs":0}}]\n').length === 4);
    const starts = request.received.split(/(?=HTTP\/1\.1 )/).map((part) => [part.slice(9, 12), /[\]}]\n$/.test(part)]);
    expect(starts).toEqual([
      ["400", true],
      ["100", false],
      ["200", true],
      ["200", true],
      ["100", false],
      ["200", true],
    ]);
  });

  test("requests are released with it by a reset, while authorize decides too", async () => {
    const answers: ((allow: boolean) => void)[] = [];
    const served = await serveHub("plain", { authorize: () => new Promise((resolve) => answers.push(resolve)) });
    const request = new RawRequest(served.port, get("topic=a&wire=poll") + stream);
    await until(() => served.handled.length === 2 && answers.length === 1);
    request.socket.resetAndDestroy();
    await until(() => [...served.sockets].every(({ destroyed }) => destroyed));
    answers[0]?.(true);
    await expectNothingHeld(served);
    expect([answers.length, served.opened.length]).toEqual([1, 0]);
  });
});

test("an upgrade behind a stream that the application takes over leaves nothing in the hub", async () => {
  const { hub, reasons } = notedHub({ heartbeatMs: 0 });
  const handle = nodeHandler(hub);
  const server = createServer((request, response) => {
    response.on("finish", () => undefined);
    void handle(request, response);
  });
  let upgraded = 0;
  server.on("upgrade", (_, socket) => {
    socket.on("error", () => undefined);
    upgraded += 1;
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const request = new RawRequest((server.address() as AddressInfo).port, stream + upgrade);
  await until(() => upgraded === 1 && request.received.includes('"open"'));
  request.socket.resetAndDestroy();
  await hub.topic("a").publish("kiki");
  await until(() => reasons.length === 1 && hub.stats().connections === 0);
});

describe("a flood of pipelined requests", () => {
  test.each(kinds.flatMap((kind) => [...streams, "poll"].map((wire) => [kind, wire] as const)))(
    "closes a %s connection on %s, and holds nothing",
    async (kind, wire) => {
      const served = await serveHub(kind);
      const warnings = recordWarnings();
      const position = await served.hub.topic("a").publish("x".repeat(10_000));
      const one = get(`topic=a&wire=${wire}&lastEventId=${position}`);
      const request = new RawRequest(served.port, one.repeat(Math.ceil(68_000 / one.length)));
      await request.over();
      await until(() => served.reasons.length === 1);
      expect([served.asked, served.reasons]).toEqual([["a"], ["client"]]);
      await expectNothingHeld(served);
      expect(warnings).toEqual([]);
    },
  );

  test("of few requests is served", async () => {
    const served = await serveHub();
    const request = new RawRequest(served.port, get("topic=a&wire=poll").repeat(17));
    await until(() => request.received.split('"reason":"poll"').length === 18);
    expect(request.ended).toBe(false);
  });

  test("opens one source of sendChunked at a time", async () => {
    let opened = 0;
    const source = Enumerator.unicast<string>(() => {
      opened += 1;
      return () => (opened -= 1);
    });
    const outcomes: string[] = [];
    const { port } = await serve(
      (response) => void sendChunked(response, source).then((outcome) => outcomes.push(outcome)),
    );
    const request = new RawRequest(port, get("").repeat(10));
    await until(() => opened > 0);
    await turns();
    expect(opened).toBe(1);
    request.socket.resetAndDestroy();
    await until(() => outcomes.length === 10 && opened === 0);
    expect(new Set(outcomes)).toEqual(new Set(["disconnected"]));
  });
});
