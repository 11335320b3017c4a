/** The cases of the contract of runtimes: what a hub promises on each of them. docs/runtimes.md has a column for each. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { wires, streams, type Follower } from "../hub.ts";
import { until } from "../sources.ts";
import type { HubState, SourceCounts } from "./app.ts";
import { RawClient } from "./raw-client.ts";
import { RuntimeProcess } from "./runtime-process.ts";
import { keepsStreams, streamsAnswers } from "./surface-cases.ts";
import { stateIs, type Case, type World } from "./world.ts";

const nobodyIsLeft = ({ stats }: HubState): boolean => stats.connections === 0;

async function deliversOnEveryWire(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ heartbeatMs: 500 });
  const followers = await Promise.all(streams.map((wire) => server.follow(hub, `topic=t&wire=${wire}`)));
  await Promise.all(followers.map((follower) => follower.begun()));
  const messages = ["kiki", 'a "quoted" <b> & \u2028 é 🐙', "x".repeat(20_000)];
  const polling = server.follow(hub, "topic=t&wire=poll&from=oldest");
  await server.order(hub, { op: "publish", topic: "t", messages });
  for (const follower of followers) {
    expect(follower.open.states).toEqual({ t: "fresh" });
    const { data } = await follower.has(messages.length);
    expect(data).toEqual(messages);
    follower.leave();
  }
  await (await polling).ended();
  const rest = await server.follow(hub, "topic=t&wire=poll&from=oldest");
  expect((await rest.ended()).data).toEqual(messages);
  await stateIs(world, hub, nobodyIsLeft);
}

/** Streams are compressed once for all, and each ends with a checksum that the client compares. */
async function compresses(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ compression: true });
  const messages = Array.from({ length: 20 }, (_, i) => `message ${i} of a runtime, all of which are much alike`);
  const follow = (wire: string): Promise<Follower> => server.follow(hub, `topic=t&wire=${wire}&from=oldest`);
  await server.order(hub, { op: "publish", topic: "t", messages: messages.slice(0, 10) });
  const followers = await Promise.all([...streams, ...streams].map(follow));
  for (const { response } of followers) expect(response.headers.get("content-encoding")).toBe("gzip");
  await Promise.all(followers.map((follower) => follower.has(10)));
  for (const message of messages.slice(10)) {
    await server.order(hub, { op: "publish", topic: "t", messages: [message] });
  }
  await Promise.all(followers.map((follower) => follower.has(20)));
  await server.order(hub, { op: "close", drainMs: 0 });
  for (const follower of followers) {
    expect((await follower.ended()).data).toEqual(messages);
    expect(follower.end.reason).toBe("drain");
  }
  const { stats } = await server.order(hub, { op: "state" });
  expect(stats.compression?.packed).toBeGreaterThan(0);
  expect(stats.compression?.sentBytes).toBeLessThan(stats.compression?.plainBytes ?? 0);
}

async function resumes(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub();
  for (const wire of wires) {
    const topic = `t-${wire}`;
    const position = await server.order(hub, { op: "publish", topic, messages: ["one", "two"] });
    await server.order(hub, { op: "publish", topic, messages: ["three", "four"] });
    const query = `topic=${topic}&wire=${wire}&lastEventId=${encodeURIComponent(position)}`;
    const follower = await (await server.follow(hub, query)).has(2);
    expect([follower.open.states, follower.data]).toEqual([{ [topic]: "recovered" }, ["three", "four"]]);
    follower.leave();
  }
}

async function endsFiniteTopics(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub();
  const readers = await Promise.all(
    streams.map(async (wire) => {
      const topic = `t-${wire}`;
      await server.order(hub, { op: "fail", topic: `f-${wire}`, messages: ["half"] });
      const failed = await (await server.follow(hub, `topic=f-${wire}&wire=${wire}`)).ended();
      expect(failed.data).toEqual(["half"]);
      expect(failed.items.find(({ type }) => type === "ended")).toMatchObject({
        outcome: "failed",
        code: "ERR_FAILED",
      });
      return { topic, follower: server.follow(hub, `topic=${topic}&wire=${wire}&from=oldest`) };
    }),
  );
  for (const { topic, follower } of readers) {
    await server.order(hub, { op: "produce", topic, messages: ["a", "b"] });
    const { data, end } = await (await follower).ended();
    expect([data, end.reason]).toEqual([["a", "b"], "gone"]);
  }
  const { errors } = await server.order(hub, { op: "state" });
  expect(errors.filter((error) => !error.includes("The source has failed."))).toEqual([]);
}

/** The clients that never read. What the allocator keeps by itself is spread over them. */
const CLIENTS = 30;

/** 100 MB for clients that never read cost less than 5 MB for each of them. */
async function holdsNothingForClientsThatNeverRead(world: World): Promise<void> {
  const { server, isFull } = world;
  const flood = { op: "flood", topic: "t", count: isFull ? 1600 : 160, bytes: 62_500 } as const;
  const hub = await world.hub({ overflow: "skip", log: { maxBytes: 1_048_576 }, maxCometBytes: 1e9 });
  const follow = (count: number, reads: boolean): Promise<RawClient[]> =>
    Promise.all(
      Array.from({ length: count }, (_, i) => {
        const path = `/live/${hub}?topic=t&wire=${streams[i % streams.length] ?? "sse"}`;
        return RawClient.send(server.port, path, "GET", { reads, keeps: false });
      }),
    );
  const measure = async (): Promise<number> => {
    await server.order(hub, flood);
    await server.order(hub, { op: "collect" });
    return server.residentBytes;
  };
  // Readers make the hub encode every message on each wire, so that the others cost nothing but what is held for them.
  const readers = await follow(streams.length, true);
  await measure();
  const before = await measure();
  const others = await follow(CLIENTS, false);
  await stateIs(world, hub, ({ stats }) => stats.connections === readers.length + others.length);
  const after = await measure();
  await stateIs(world, hub, ({ stats }) => stats.lagging === others.length);
  expect((after - before) / others.length).toBeLessThan(5e6);
  for (const client of [...readers, ...others]) client.leave("RST");
  await stateIs(world, hub, nobodyIsLeft);
}

/** A loop that awaits each publication does not overrun clients that read. */
async function waitsForClientsThatRead(world: World): Promise<void> {
  const { server, isFull } = world;
  // The log holds a part of the messages.
  const hub = await world.hub(isFull ? {} : { log: { maxEntries: 512 } });
  const followers = await Promise.all(Array.from({ length: 10 }, () => server.follow(hub, "topic=t&wire=ndjson")));
  await Promise.all(followers.map((follower) => follower.begun()));
  const count = isFull ? 20_000 : 1500;
  await server.order(hub, { op: "flood", topic: "t", count, bytes: 100 });
  for (const follower of followers) {
    const { data } = await follower.has(count);
    expect(data.length).toBe(count);
    expect(follower.items.filter(({ type }) => type === "gap" || type === "end")).toEqual([]);
    follower.leave();
  }
}

/** How a hub must learn of a client that leaves. */
async function noticesLeaving(world: World, how: "FIN" | "RST"): Promise<void> {
  const { server } = world;
  const { noticesFinLate = false } = server.runtime.limits;
  const isLate = how === "FIN" && noticesFinLate;
  // A runtime that notices late does so when the hub writes again: a heartbeat, and the answer to the poll.
  const hub = await world.hub(isLate ? { heartbeatMs: 200, pollMs: 1000 } : { heartbeatMs: 0, pollMs: 600_000 });
  const clients: RawClient[] = [];
  for (const wire of streams) {
    const client = await RawClient.send(server.port, `/live/${hub}?topic=t&wire=${wire}`);
    clients.push(await client.has("\r\n\r\n"));
  }
  const first = await (await server.follow(hub, "topic=t&wire=poll")).ended();
  const query = `topic=t&wire=poll&lastEventId=${encodeURIComponent(first.end.position)}`;
  clients.push(await RawClient.send(server.port, `/live/${hub}?${query}`));
  await stateIs(world, hub, ({ stats }) => stats.connections === clients.length);
  for (const client of clients) client.leave(how);
  // A client that has closed its side and reads on is no client that has left, for a runtime that serves it.
  if (isLate) for (const { socket } of clients) socket.destroy();
  const { reasons, errors } = await stateIs(world, hub, nobodyIsLeft);
  expect(reasons.slice(1).filter((reason) => reason !== (isLate ? "poll" : "client"))).toEqual(
    isLate ? ["client", "client", "client"] : [],
  );
  expect(errors).toEqual([]);
  for (const { socket } of clients) socket.destroy();
}

async function sendsHeartbeats(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ heartbeatMs: 60 });
  for (const wire of streams) {
    const follower = await server.follow(hub, `topic=t&wire=${wire}`);
    await until(() => follower.heartbeats >= 2);
    follower.leave();
  }
  await stateIs(world, hub, nobodyIsLeft);
}

async function recycles(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ maxConnectionBytes: 8192, maxCometBytes: 8192 });
  const messages = Array.from({ length: 40 }, (_, i) => `${i} ${"x".repeat(600)}`);
  for (const wire of streams) {
    const topic = `t-${wire}`;
    await server.order(hub, { op: "publish", topic, messages });
    const received: unknown[] = [];
    let query = "&from=oldest";
    while (received.length < messages.length) {
      const follower = await server.follow(hub, `topic=${topic}&wire=${wire}${query}`);
      await until(() => follower.over || received.length + follower.data.length === messages.length);
      received.push(...follower.data);
      follower.leave();
      if (!follower.items.some(({ type }) => type === "end")) break;
      expect([follower.end.reason, follower.end.retryMs]).toEqual(["recycle", 0]);
      query = `&lastEventId=${encodeURIComponent(follower.end.position)}`;
    }
    expect(received).toEqual(messages);
  }
  await stateIs(world, hub, nobodyIsLeft);
}

async function drains(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub();
  const followers = await Promise.all(streams.map((wire) => server.follow(hub, `topic=t&wire=${wire}`)));
  await Promise.all(followers.map((follower) => follower.begun()));
  await server.order(hub, { op: "publish", topic: "t", messages: ["last"] });
  await server.order(hub, { op: "close", drainMs: 100 });
  for (const follower of followers) {
    const { data, end } = await follower.ended();
    expect([data, end.reason]).toEqual([["last"], "drain"]);
  }
  const refused = await fetch(`http://127.0.0.1:${server.port}/live/${hub}?topic=t`);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, "ERR_CLOSED"]);
  const { reasons } = await server.order(hub, { op: "state" });
  expect(reasons).toEqual(["drain", "drain", "drain"]);
}

/** `await hub.close(); process.exit()` loses no last item. */
async function losesNoEndAtExit(world: World): Promise<void> {
  const server = await RuntimeProcess.start(world.server.runtime);
  try {
    await server.order("exit", { op: "create", options: {} });
    const followers: Follower[] = [];
    for (let i = 0; i < (world.isFull ? 100 : 30); i += 1) {
      followers.push(await server.follow("exit", `topic=t&wire=${streams[i % streams.length] ?? "sse"}`));
    }
    await Promise.all(followers.map((follower) => follower.begun()));
    await server.order("exit", { op: "exit" }).catch(() => undefined);
    expect(await server.ended()).toBe(0);
    await until(() => followers.every(({ over }) => over));
    expect(followers.filter(({ items }) => !items.some(({ type }) => type === "end"))).toEqual([]);
  } finally {
    await server.stop();
  }
}

async function answersHead(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub();
  const head = async (path: string): Promise<string> => {
    const client = await RawClient.send(server.port, path, "HEAD");
    const { text } = await client.has("\r\n\r\n");
    client.socket.destroy();
    return text.toLowerCase();
  };
  for (const wire of wires) {
    const answer = await head(`/live/${hub}?topic=t&wire=${wire}`);
    const get = await server.follow(hub, `topic=t&wire=${wire}`);
    expect(answer).toMatch(/^http\/1.1 200 /);
    expect(answer).toContain(`\r\ncontent-type: ${get.response.headers.get("content-type") ?? ""}\r\n`);
    expect(answer).toContain("\r\ncache-control: no-store, no-transform\r\n");
    expect(answer).not.toContain("content-length: 0");
    get.leave();
  }
  const refused = await head(`/live/${hub}`);
  expect(refused).toMatch(/^http\/1.1 400 /);
  expect(refused).not.toContain("content-length: 0");
}

async function refusesWithAReason(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub();
  const codeOf = async (query: string, init?: RequestInit): Promise<unknown[]> => {
    const response = await fetch(`http://127.0.0.1:${server.port}/live/${hub}?${query}`, init);
    const { code } = (await response.json()) as { code: string };
    return [response.status, response.headers.get("content-type"), code];
  };
  const type = "application/problem+json";
  expect(await codeOf("")).toEqual([400, type, "ERR_TOPIC"]);
  expect(await codeOf("topic=t&wire=morse")).toEqual([400, type, "ERR_WIRE"]);
  expect(await codeOf("topic=t", { method: "DELETE" })).toEqual([405, type, "ERR_METHOD"]);
  expect(await codeOf("topic=t", { headers: { accept: "image/png" } })).toEqual([406, type, "ERR_ACCEPT"]);
}

async function forgetsWhoHasLeft(world: World): Promise<void> {
  const { server, isFull } = world;
  const hub = await world.hub({ heartbeatMs: 200 });
  const all = isFull ? 1000 : 150;
  for (let gone = 0; gone < all; gone += 50) {
    const clients = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const wire = streams[i % streams.length] ?? "sse";
        return RawClient.send(server.port, `/live/${hub}?topic=t&wire=${wire}`);
      }),
    );
    // Some leave before the response begins.
    await Promise.all(clients.filter((_, i) => i % 5 !== 0).map((client) => client.has("\r\n\r\n")));
    for (const [i, client] of clients.entries()) client.leave(i % 2 === 0 ? "RST" : "FIN");
    for (const { socket } of clients) socket.destroy();
    await stateIs(world, hub, nobodyIsLeft);
  }
  const { stats, reasons, errors } = await server.order(hub, { op: "state" });
  expect(reasons.length).toBe(stats.opened);
  expect(stats.opened).toBeGreaterThanOrEqual((all * 4) / 5);
  expect([new Set(reasons), errors]).toEqual([new Set(["client"]), []]);
}

/** The limits that count addresses see the client's. */
async function countsAddresses(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ maxConnectionsPerAddress: 1 });
  const first = await (await server.follow(hub, "topic=t&wire=sse")).begun();
  const second = await fetch(`http://127.0.0.1:${server.port}/live/${hub}?topic=t`);
  expect([second.status, ((await second.json()) as { code: string }).code]).toEqual([429, "ERR_RATE"]);
  first.leave();
}

/** A server that closes quiet connections leaves those of a hub alone, whatever the hub's heartbeat is. */
async function keepsQuietStreams(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ heartbeatMs: 0, pollMs: 600_000 });
  const follower = await (await server.follow(hub, "topic=t&wire=sse")).begun();
  const first = await (await server.follow(hub, "topic=t&wire=poll")).ended();
  const position = encodeURIComponent(first.end.position);
  const polling = await RawClient.send(server.port, `/live/${hub}?topic=t&wire=poll&lastEventId=${position}`);
  await stateIs(world, hub, ({ stats }) => stats.connections === 2);
  // A connection that began later, without the package, is closed by the server's own idle timeout.
  const other = await (await RawClient.send(server.port, "/quiet")).has("quiet");
  await until(() => other.isClosed, 60_000);
  await server.order(hub, { op: "publish", topic: "t", messages: ["still here"] });
  expect((await follower.has(1)).data).toEqual(["still here"]);
  await polling.has("still here");
  follower.leave();
  polling.leave("RST");
}

/** The hub breaks off clients that take nothing for too long. They see that the response is incomplete. */
async function breaksOffClientsThatStall(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ stallMs: 100, overflow: "skip", log: { maxBytes: 1_048_576 }, maxCometBytes: 1e9 });
  const clients = await Promise.all(
    streams.map((wire) =>
      RawClient.send(server.port, `/live/${hub}?topic=t&wire=${wire}`, "GET", { reads: false, keeps: true }),
    ),
  );
  await stateIs(world, hub, ({ stats }) => stats.connections === clients.length);
  await server.order(hub, { op: "flood", topic: "t", count: 160, bytes: 62_500 });
  const { reasons, errors } = await stateIs(world, hub, nobodyIsLeft);
  expect([reasons, errors]).toEqual([clients.map(() => "stalled"), []]);
  for (const client of clients) {
    client.socket.resume();
    await until(() => client.isClosed);
    expect(client.text).toMatch(/^HTTP\/1.1 200 /);
    expect(client.text.slice(-7)).not.toBe("\r\n0\r\n\r\n");
  }
  const { logsBreakOffs } = server.runtime.limits;
  if (logsBreakOffs !== undefined) await until(() => server.prints(logsBreakOffs));
}

/**
 * The hub ends the stream of a client whose backlog is no longer in the log: the client gets the end, and may resume. A hub
 * whose topics are in storage looks for the backlog there, and the client gets a gap.
 */
async function endsClientsThatOverflow(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub({ log: { maxBytes: 1_048_576 }, maxCometBytes: 1e9 });
  const clients = await Promise.all(
    streams.map((wire) =>
      RawClient.send(server.port, `/live/${hub}?topic=t&wire=${wire}`, "GET", { reads: false, keeps: true }),
    ),
  );
  await stateIs(world, hub, ({ stats }) => stats.connections === clients.length);
  await server.order(hub, { op: "flood", topic: "t", count: 160, bytes: 62_500 });
  await stateIs(world, hub, ({ stats }) => stats.lagging === clients.length);
  const { hasStorage = false } = server.runtime.limits;
  for (const client of clients) {
    client.socket.resume();
    await client.has(hasStorage ? '"missed":' : '"reason":"overflow"');
    if (hasStorage) client.leave("RST");
  }
  const { reasons, errors } = await stateIs(world, hub, nobodyIsLeft);
  expect([reasons, errors]).toEqual([clients.map(() => (hasStorage ? "client" : "overflow")), []]);
  for (const { socket } of clients) socket.destroy();
}

/** HEAD of a response of `chunked` is answered while its source waits, and the source ends with the connection. */
async function answersHeadOfChunked({ server }: World): Promise<void> {
  const countsAre = async (isReached: (counts: SourceCounts) => boolean): Promise<void> => {
    const look = async (): Promise<SourceCounts> =>
      (await fetch(`http://127.0.0.1:${server.port}/chunked/counts`)).json() as Promise<SourceCounts>;
    while (!isReached(await look())) await sleep(10);
  };
  const get = await (await RawClient.send(server.port, "/chunked/endless")).has("more");
  get.leave("RST");
  await countsAre(({ opened, closed }) => opened === 1 && closed === 1);
  const head = await RawClient.send(server.port, "/chunked/quiet", "HEAD");
  const { text } = await head.has("\r\n\r\n");
  expect(text).toMatch(/^HTTP\/1.1 200 /);
  expect(text).toMatch(/\r\ncache-control: no-store/i);
  // Hono's server reads the body of a response to HEAD while the client is connected.
  head.leave("RST");
  await countsAre(({ opened, closed }) => opened === closed);
}

/** The cases, in the order of the columns. */
export const cases: readonly Case[] = [
  { title: "delivers messages unchanged on every wire", column: "wires", run: deliversOnEveryWire },
  { title: "resumes from a position on every wire", column: "resume", run: resumes },
  {
    title: "compresses streams once for all clients",
    column: "gzip",
    run: compresses,
    missing: ({ name, limits }) =>
      limits.hasNoExit === true
        ? "a Worker compresses by itself what says so, so the hub sends it plain"
        : name.startsWith("Deno")
          ? "Deno's zlib ignores `dictionary`, so the hub sends everything plain"
          : undefined,
  },
  { title: "ends the streams of topics that end or whose source fails", column: "finite", run: endsFiniteTopics },
  {
    title: "holds less than 5 MB for a client that never reads",
    column: "never reads",
    run: holdsNothingForClientsThatNeverRead,
  },
  { title: "awaits clients that read in a loop of publications", column: "awaits", run: waitsForClientsThatRead },
  { title: "notices clients that close their side", column: "FIN", run: (world) => noticesLeaving(world, "FIN") },
  { title: "notices clients that reset the connection", column: "RST", run: (world) => noticesLeaving(world, "RST") },
  { title: "breaks off clients that take nothing", column: "stalled", run: breaksOffClientsThatStall },
  { title: "ends the streams of clients that fall behind the log", column: "overflow", run: endsClientsThatOverflow },
  { title: "sends heartbeats", column: "heartbeat", run: sendsHeartbeats },
  { title: "recycles connections without loss", column: "recycle", run: recycles },
  { title: "drains", column: "drain", run: drains },
  {
    title: "loses no end of a stream when the process exits after close",
    column: "exit",
    run: losesNoEndAtExit,
    missing: ({ limits }) => (limits.hasNoExit === true ? "a Worker has no process that it can end" : undefined),
  },
  { title: "answers HEAD as GET", column: "HEAD", run: answersHead },
  {
    title: "answers HEAD of a `chunked` response whose source waits",
    column: "HEAD of chunked",
    run: answersHeadOfChunked,
  },
  { title: "refuses with a status, a code and a reason", column: "refusals", run: refusesWithAReason },
  { title: "forgets clients that come and go", column: "comings", run: forgetsWhoHasLeft },
  { title: "starts, resumes and stops an answer of `comet-sockets/ai`", column: "ai", run: streamsAnswers },
  { title: "serves Durable Streams: create, append, read, live, close, delete", column: "durable", run: keepsStreams },
  {
    title: "counts clients by their address",
    column: "address",
    run: countsAddresses,
    missing: ({ name, limits }) =>
      limits.hasNoExit === true
        ? "Cloudflare sets `cf-connecting-ip`, which `workerd` alone does not"
        : name.endsWith("hub.fetch")
          ? "`hub.fetch` does not see addresses: give one to `fetchHandler`"
          : undefined,
  },
  {
    title: "keeps quiet streams and waiting polls open with default options",
    column: "quiet",
    run: keepsQuietStreams,
    missing: ({ idleTimeoutSeconds }) =>
      idleTimeoutSeconds === undefined ? "no idle timeout by default; the soak `quiet` shows it" : undefined,
  },
];
