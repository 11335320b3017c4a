/** Clients that disconnect without notice, or close one side: over bare sockets, where the hub writes to the socket and where it writes to the response. */
import { connect as openSocket, type Socket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import type { HubOptions } from "../../../../src/index.ts";
import { notedHub, streams, type NotedHub } from "../../../support/hub.ts";
import { serve } from "../../../support/servers.ts";
import { turns, until } from "../../../support/sources.ts";

const idle = { connections: 0, lagging: 0, byWire: { comet: 0, sse: 0, ndjson: 0, poll: 0 } };
const get = (wire: string): string => `GET /?topic=a&wire=${wire} HTTP/1.1\r\nHost: x\r\n\r\n`;

interface Served extends NotedHub {
  readonly port: number;
  /** The server's sides of all connections. */
  readonly sockets: Socket[];
}

async function serveBy(writes: string, options: HubOptions = {}): Promise<Served> {
  const noted = notedHub({ heartbeatMs: 0, ...options });
  const sockets: Socket[] = [];
  const { port } = await serve((response) => {
    sockets.push(response.req.socket);
    // The hub calls a `write` that was overridden on the response.
    if (writes === "response") Reflect.set(response, "write", response.write.bind(response));
    void nodeHandler(noted.hub)(response.req, response);
  });
  return { ...noted, port, sockets };
}

/** A socket that does not end by itself when the server does. */
function client(port: number): Socket {
  const socket = openSocket({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Publishes more than the sockets' buffers hold. */
async function flood({ hub }: Served): Promise<void> {
  for (let i = 0; i < 300; i += 1) await hub.topic("a").publish("x".repeat(50_000));
}

/** Expects the only connection to have closed for this reason, to have been reported once, and to have left nothing behind. */
async function expectGone({ hub, opened, sockets, closed, reasons, errors }: Served, reason: string): Promise<void> {
  // A connection whose socket is closed receives nothing more.
  await until(() => reasons.length > 0 && sockets.every((socket) => socket.closed));
  await hub.topic("a").publish("to nobody");
  await turns();
  expect(reasons).toEqual([reason]);
  expect(closed[0]?.subscription).toBe(opened[0]);
  expect(hub.stats()).toMatchObject(idle);
  expect([...hub.subscriptions()]).toEqual([]);
  expect(errors).toEqual([]);
  await hub.close({ drainMs: 0 });
  expect(reasons).toEqual([reason]);
}

describe.each(["socket", "response"])("a hub that writes to the %s", (writes) => {
  test.each(streams)("detects a client of %s that ends its side right after its request", async (wire) => {
    const server = await serveBy(writes);
    const socket = client(server.port);
    let over = false;
    socket.on("close", () => (over = true)).resume();
    socket.on("end", () => socket.destroy());
    socket.end(get(wire));
    await until(() => over);
    // The end may be detected before the request is admitted.
    if (server.opened.length > 0) await expectGone(server, "client");
    expect(server.hub.stats()).toMatchObject(idle);
  });

  test.each(streams)("detects a client of %s that ends its side during the stream", async (wire) => {
    const server = await serveBy(writes);
    const socket = client(server.port);
    let [received, over] = ["", false];
    socket.on("data", (data: Buffer) => (received += data.toString()));
    socket.on("end", () => (over = true));
    socket.write(get(wire));
    await until(() => server.opened.length === 1);
    await server.hub.topic("a").publish("kiki");
    await until(() => received.includes("kiki"));
    socket.end();
    await expectGone(server, "client");
    await until(() => over);
    expect(received).not.toContain("to nobody");
  });

  test.each(streams)("detects a client of %s that disconnects by RST", async (wire) => {
    const server = await serveBy(writes);
    const socket = client(server.port);
    let received = "";
    socket.on("data", (data: Buffer) => (received += data.toString()));
    socket.write(get(wire));
    await until(() => server.opened.length === 1);
    await server.hub.topic("a").publish("kiki");
    await until(() => received.includes("kiki"));
    socket.resetAndDestroy();
    await expectGone(server, "client");
  });

  test("detects a client that disconnects by RST during a publish", async () => {
    const server = await serveBy(writes);
    const socket = client(server.port);
    socket.resume().write(get("ndjson"));
    await until(() => server.opened.length === 1);
    const flooding = flood(server);
    socket.resetAndDestroy();
    await flooding;
    await expectGone(server, "client");
  });

  test.each([
    ["RST", "client"],
    // The client may still read the buffered data, so it has the time of any client that reads nothing.
    ["FIN", "stalled"],
  ])("detects a client that never reads, and then disconnects by %s", async (how, reason) => {
    // The clock is stopped until the client has gone: on a slow machine it would have stalled before.
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const server = await serveBy(writes, { stallMs: 200, log: { maxBytes: 64 * 1024 * 1024 } });
    const socket = client(server.port);
    socket.pause().write(get("ndjson"));
    await until(() => server.opened.length === 1);
    await flood(server);
    await until(() => server.hub.stats().lagging === 1);
    expect(server.reasons).toEqual([]);
    if (how === "RST") socket.resetAndDestroy();
    else {
      // On one machine, sent data has arrived: the server reads it in its next turns.
      await new Promise<void>((resolve) => socket.end(resolve));
      await turns();
      expect(server.reasons).toEqual([]);
      vi.advanceTimersByTime(400);
    }
    await expectGone(server, reason);
  });

  test("aborts a client that never reads once it has stalled", async () => {
    const server = await serveBy(writes, { stallMs: 100, log: { maxBytes: 64 * 1024 * 1024 } });
    const socket = client(server.port);
    let over = false;
    socket.on("end", () => (over = true)).on("close", () => (over = true));
    socket.pause().write(get("sse"));
    await until(() => server.opened.length === 1);
    await flood(server);
    await expectGone(server, "stalled");
    socket.resume();
    await until(() => over);
  });
});

describe.each(["socket", "response"])("a hub that would write to the %s", (writes) => {
  test.each([...streams, "poll"])(
    "writes nothing to a client of %s that ended its side while the application decided",
    async (wire) => {
      let endedSide: () => void = () => undefined;
      const sideEnded = new Promise<void>((resolve) => (endedSide = resolve));
      // Node's own listener comes first, and ends the socket.
      const server = await serveBy(writes, { authorize: () => sideEnded.then(() => true) });
      const errors: unknown[] = [];
      const socket = client(server.port);
      socket.write(get(wire));
      await until(() => server.sockets.length === 1);
      const [side] = server.sockets as [Socket];
      side.on("error", (error) => errors.push(error));
      side.on("end", endedSide);
      let received = "";
      socket.on("data", (data: Buffer) => (received += data.toString()));
      socket.end();
      await until(() => side.closed);
      expect([errors, received, server.opened.length]).toEqual([[], "", 0]);
      expect(server.hub.stats()).toMatchObject({ ...idle, opened: 0 });
      expect(server.errors).toEqual([]);
    },
  );
});

test.each(streams)("writes nothing to a socket that has ended and still sends, on %s", async (wire) => {
  const server = await serveBy("socket");
  const socket = client(server.port);
  const errors: unknown[] = [];
  let received = 0;
  socket.on("data", (data: Buffer) => (received += data.length));
  socket.on("end", () => socket.end());
  socket.write(get(wire));
  await until(() => server.opened.length === 1 && received > 0);
  const [side] = server.sockets as [Socket];
  side.on("error", (error) => errors.push(error));
  socket.pause();
  // More than the operating system's buffers hold.
  const held = 32 * 1_048_576;
  side.write(Buffer.alloc(held));
  side.end();
  await server.hub.topic("a").publish("after the end");
  await turns();
  socket.resume();
  await until(() => side.closed);
  expect(errors).toEqual([]);
  expect(received).toBeGreaterThan(held);
});
