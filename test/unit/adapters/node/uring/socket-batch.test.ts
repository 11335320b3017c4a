import http2 from "node:http2";
import https from "node:https";
import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../../../src/adapters/node/index.ts";
import type { IoUring } from "../../../../../src/adapters/node/uring/index.ts";
import { serveHub, type Follower, type HubServer } from "../../../../support/hub.ts";
import { RawRequest, serve } from "../../../../support/servers.ts";
import { until } from "../../../../support/sources.ts";
import { faultyLibc, type Faults } from "../../../../support/faulty-libc.ts";
import { expectCounts, refusal, startForced } from "../../../../support/uring.ts";

/** A hub with followers whose messages go by a ring. */
interface Sent extends HubServer {
  readonly ring: IoUring;
  readonly followers: readonly Follower[];
  /** The server's sockets, in the order of the followers. */
  readonly sockets: readonly Socket[];
  /** Publishes a message, and waits until each follower has it. */
  readonly publish: (text: string) => Promise<void>;
}

/** Starts a ring, and lets some followers open a stream each. */
async function sending(count: number, faults?: Faults, options: object = {}): Promise<Sent> {
  const ring = faults === undefined ? startForced() : startForced(() => faultyLibc(faults));
  expect([ring.active, ring.reason]).toEqual([refusal === undefined, refusal && (expect.any(String) as string)]);
  const server = await serveHub({ heartbeatMs: 0, ...options });
  const followers: Follower[] = [];
  for (let i = 0; i < count; i += 1) followers.push(await (await server.follow("topic=t&wire=ndjson")).begun());
  const sockets = server.responses.map(({ req }) => req.socket);
  let published = 0;
  const publish = async (text: string): Promise<void> => {
    void server.hub.topic<string>("t").publish(text);
    published += 1;
    for (const follower of followers) await follower.has(published);
  };
  return { ...server, ring, followers, sockets, publish };
}

/** Faults only once the ring has passed its self-test. */
function afterStart(faults: Faults): { readonly faults: Faults; readonly begin: () => void } {
  const active: Faults = {};
  return { faults: active, begin: () => Object.assign(active, faults) };
}

describe("a pass to plain TCP sockets", () => {
  test("goes to all of them by one system call", async () => {
    const { ring, followers, sockets, publish, hub } = await sending(10);
    const writtenBefore = sockets.map(({ bytesWritten }) => bytesWritten);
    await publish("x");
    await publish("y".repeat(60_000));
    expectCounts(ring, { calls: 2, sends: 20, rests: 0, destroyed: 0 });
    for (const { data } of followers) expect(data).toEqual(["x", "y".repeat(60_000)]);
    if (refusal === undefined) expect(sockets.map(({ bytesWritten }) => bytesWritten)).toEqual(writtenBefore);
    expect(hub.stats()).toMatchObject({ connections: 10, lagging: 0, delivered: 20 });
  });

  test("takes as many calls as there are 64 sockets, or 1 MiB", async () => {
    const { ring, publish } = await sending(70);
    await publish("x");
    expectCounts(ring, { calls: 2, sends: 70 });
    await publish("y".repeat(60_000));
    // 17 at once.
    expectCounts(ring, { calls: 7 });
  });

  test("goes with the passes of all groups of a flush by one system call", async () => {
    const sent = await sending(0, undefined, { flushSliceMs: 2_000_000_000 });
    const { ring, hub } = sent;
    const followers: Follower[] = [];
    for (let i = 0; i < 20; i += 1) {
      followers.push(await (await sent.follow(`topic=t${i % 10}&wire=${i < 15 ? "ndjson" : "sse"}`)).begun());
    }
    for (let i = 0; i < 10; i += 1) void hub.topic<string>(`t${i}`).publish(String(i));
    for (const [i, follower] of followers.entries()) expect((await follower.has(1)).data).toEqual([String(i % 10)]);
    expectCounts(ring, { calls: 1, sends: 20, rests: 0 });
  });

  test("is left to the sockets where a send is longer than 128 KiB", async () => {
    const { ring, publish } = await sending(8, undefined, { maxMessageBytes: 1_000_000 });
    await publish("y".repeat(200_000));
    expect(ring.stats().calls).toBe(0);
  });

  test("leaves a client that does not read to its socket, and the client gets every byte once it reads", async () => {
    const { ring, port, hub, publish } = await sending(8, undefined, { stallMs: 2_000_000_000 });
    const slow = RawRequest.get(port, "/?topic=t&wire=ndjson");
    await slow.has(1);
    slow.socket.pause();
    const texts = Array.from({ length: 200 }, (_, i) => String(i).repeat(20_000));
    for (let i = 0; i < texts.length && hub.stats().lagging === 0; i += 1) await publish(texts[i] as string);
    expect(hub.stats().lagging).toBe(1);
    expectCounts(ring, { rests: 1 });
    slow.socket.resume();
    const published = hub.stats().published;
    await until(() => slow.texts.join("").split("\n").length > published + 1);
    const lines = slow.texts.join("").trimEnd().split("\n");
    const data = lines.slice(1).map((line) => (JSON.parse(line) as { data: string }).data);
    expect(data).toEqual(texts.slice(0, published));
    await until(() => hub.stats().lagging === 0);
  });

  test.each<readonly [string, (socket: Socket) => void]>([
    ["a timeout", (socket) => void socket.setTimeout(1_000_000)],
    ["a method `write` of its own", (socket) => (socket.write = socket.write.bind(socket))],
    [
      "a prototype of its own",
      (socket) => void Object.setPrototypeOf(socket, Object.create(Object.getPrototypeOf(socket) as object) as object),
    ],
  ])("excludes a socket with %s", async (_, change) => {
    const { ring, sockets, publish } = await sending(4);
    change(sockets[1] as Socket);
    await publish("x");
    expectCounts(ring, { calls: 1, sends: 3 });
  });

  test("excludes a corked socket, which holds the bytes back", async () => {
    const { ring, sockets, followers, hub } = await sending(4);
    const socket = sockets[1] as Socket;
    socket.cork();
    void hub.topic<string>("t").publish("x");
    for (const i of [0, 2, 3]) await followers[i]?.has(1);
    expect(socket.writableLength).toBeGreaterThan(0);
    // An empty line of ndjson, in chunked coding.
    socket.write("1\r\n\n\r\n");
    void hub.topic<string>("t").publish("y");
    for (const i of [0, 2, 3]) await followers[i]?.has(2);
    socket.uncork();
    await followers[1]?.has(2);
    expect(followers[1]?.text).toMatch(/"data":"x"}\n\n\{"id":.*"data":"y"/);
    expectCounts(ring, { sends: 6 });
  });

  test("keeps its place between writes of the application", async () => {
    const { sockets, followers, hub } = await sending(4);
    for (let i = 0; i < 50; i += 1) {
      sockets[i % 4]?.write("1\r\n\n\r\n");
      void hub.topic<number>("t").publish(i);
      await new Promise((resolve) => setImmediate(resolve));
      sockets[i % 4]?.write("1\r\n\n\r\n");
    }
    for (const follower of followers) {
      expect((await follower.has(50)).data).toEqual(Array.from({ length: 50 }, (_, i) => i));
    }
  });

  test("reaches TLS and HTTP/2 beside them, by their own writes", async () => {
    const { ring, hub, publish } = await sending(4);
    const others: string[][] = [];
    for (const protocol of ["https", "http2", "http2 over TLS"] as const) {
      const chunks: string[] = [];
      others.push(chunks);
      await followOver(protocol, hub, (text) => chunks.push(text));
    }
    await until(() => hub.stats().connections === 7);
    await publish("x");
    for (const chunks of others) await until(() => chunks.join("").includes('"data":"x"'));
    expectCounts(ring, { sends: 4 });
    expect(hub.stats().delivered).toBe(7);
  });
});

describe("a send that the ring did not do whole", () => {
  test("is completed by the socket, wherever it was cut", async () => {
    const { faults, begin } = afterStart({ cut: (length) => Math.floor(length / 3) });
    const { ring, followers, publish } = await sending(8, faults);
    begin();
    for (let i = 0; i < 20; i += 1) await publish(`message ${i}`.repeat(1 + i * 50));
    expectCounts(ring, { sends: 0, rests: 160 });
    for (const { data } of followers) expect(data[19]).toBe("message 19".repeat(951));
  });

  test.each(["fail", "throw"] as const)(
    "is left to the socket where the call %ss, and the ring stops after eight in a row",
    async (take) => {
      const { faults, begin } = afterStart({ take: () => take });
      const { ring, publish } = await sending(8, faults);
      begin();
      for (let i = 0; i < 7; i += 1) await publish(`message ${i}`);
      expect(ring.active).toBe(refusal === undefined);
      for (let i = 7; i < 12; i += 1) await publish(`message ${i}`);
      expect(ring.active).toBe(false);
      expectCounts(ring, { calls: 8, sends: 0, rests: 64 });
      if (refusal === undefined) expect(ring.reason).toBe("io_uring_enter failed 8 times in a row.");
    },
  );

  test("does not stop the ring where failures are not in a row", async () => {
    let calls = 0;
    const { faults, begin } = afterStart({ take: (count) => ((calls += 1) % 8 === 0 ? count : 3) });
    const { ring, publish } = await sending(8, faults);
    begin();
    for (let i = 0; i < 32; i += 1) await publish(`message ${i}`);
    expect(ring.active).toBe(refusal === undefined);
    expectCounts(ring, { sends: 28 * 3 + 4 * 8, rests: 28 * 5 });
  });

  test("destroys the socket and stops the ring where the send is not completed", async () => {
    const { faults, begin } = afterStart({ lose: () => true });
    const { ring, followers, hub, closed } = await sending(4, faults);
    begin();
    if (refusal !== undefined) return;
    void hub.topic<string>("t").publish("x");
    await until(() => closed.length === 1);
    expect(closed[0]?.subscription).toBeDefined();
    for (const follower of followers.slice(0, 3)) await follower.has(1);
    // Its client has had the message, or a part of it, and the stream is cut off.
    await until(() => followers[3]?.over === true);
    expect(followers[3]?.failure).toBeDefined();
    expect([ring.active, ring.reason]).toEqual([false, "The kernel did not complete a send at once."]);
    void hub.topic<string>("t").publish("y");
    for (const follower of followers.slice(0, 3)) expect((await follower.has(2)).data).toEqual(["x", "y"]);
    expect(ring.stats()).toEqual({ calls: 1, sends: 3, rests: 0, destroyed: 1 });
  });

  test("is an ordinary disconnect where the client has left", async () => {
    const { port, hub, publish, reasons } = await sending(4);
    const leaving = connect(port, "127.0.0.1");
    leaving.write("GET /?topic=t&wire=ndjson HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => hub.stats().connections === 5);
    leaving.resetAndDestroy();
    for (let i = 0; i < 3; i += 1) await publish(`message ${i}`);
    await until(() => hub.stats().connections === 4);
    expect(reasons).toEqual(["client"]);
  });
});

test("a ring that is closed leaves the streams to their sockets, and another one takes over", async () => {
  const { ring, publish } = await sending(4);
  await publish("x");
  ring.close();
  expect([ring.active, ring.reason]).toEqual([false, refusal === undefined ? "It was closed." : ring.reason]);
  await publish("y");
  expectCounts(ring, { sends: 4 });
  const other = startForced();
  await publish("z");
  expectCounts(other, { sends: 4 });
  expect(startForced() === other).toBe(other.active);
});

/** Follows a hub's topic over another protocol, until the test is over. */
async function followOver(
  protocol: "https" | "http2" | "http2 over TLS",
  hub: HubServer["hub"],
  onText: (text: string) => void,
): Promise<void> {
  const handle = nodeHandler(hub);
  const { port, origin } = await serve((response) => void handle(response.req, response), protocol);
  const path = "/?topic=t&wire=ndjson";
  if (protocol === "https") {
    const request = https.get({ host: "127.0.0.1", port, rejectUnauthorized: false, path }, (response) => {
      response.setEncoding("utf8").on("data", onText);
      response.on("error", () => undefined);
    });
    request.on("error", () => undefined);
    onTestFinished(() => void request.destroy());
    return;
  }
  const session = http2.connect(origin, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": path });
  stream.setEncoding("utf8").on("data", onText);
  stream.on("error", () => undefined);
}
