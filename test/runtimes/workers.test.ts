import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { SourceCounts } from "../support/runtimes/app.ts";
import { RawClient } from "../support/runtimes/raw-client.ts";
import { RuntimeProcess } from "../support/runtimes/runtime-process.ts";
import { workers } from "../support/runtimes/runtimes.ts";
import { runtimeContract } from "./contract.ts";

/** Gets JSON from a server. */
const jsonFrom = async <T>({ port }: RuntimeProcess, path: string, init?: RequestInit): Promise<T> =>
  (await fetch(`http://127.0.0.1:${port}/${path}`, init)).json() as T;

/** A process with an object whose client has left. It is evicted half a minute later, while the other tests run. */
let idle: RuntimeProcess;
let idlePosition: string;
const idleInstance = async (): Promise<number> => (await jsonFrom<{ instance: number }>(idle, "held/idle")).instance;
let firstInstance: number;

beforeAll(async () => {
  idle = await RuntimeProcess.start(workers);
  await idle.order("idle", { op: "create", options: { heartbeatMs: 200 } });
  const follower = await (await idle.follow("idle", "topic=t")).begun();
  idlePosition = await idle.order("idle", { op: "publish", topic: "t", messages: ["read"] });
  await idle.order("idle", { op: "publish", topic: "t", messages: ["missed"] });
  await follower.has(2);
  firstInstance = await idleInstance();
  follower.leave();
});
afterAll(() => idle.stop());

runtimeContract(workers);

describe("a Durable Object", () => {
  let server: RuntimeProcess;
  const json = <T>(path: string, init?: RequestInit): Promise<T> => jsonFrom<T>(server, path, init);

  beforeAll(async () => {
    server = await RuntimeProcess.start(workers);
  });
  afterAll(() => server.stop());

  test("is what a plain Worker is told to use, at its start and in a request", async () => {
    const errors = await json<string[]>("plain");
    expect(errors).toHaveLength(2);
    for (const error of errors) expect(error).toMatch(/^ERR_RUNTIME: .*Durable Object.*cometObject.*\.$/);
  });

  test("gets what a Worker publishes by RPC, and keeps topics of other objects apart", async () => {
    const [one, other] = await Promise.all([server.follow("one", "topic=t"), server.follow("other", "topic=t")]);
    await Promise.all([one.begun(), other.begun()]);
    const position = await json<string>("publish/one", { method: "POST", body: '"by RPC"' });
    expect(position).toMatch(/^t/);
    await json("publish/other", { method: "POST", body: '"to the other"' });
    expect([(await one.has(1)).data, (await other.has(1)).data]).toEqual([["by RPC"], ["to the other"]]);
    one.leave();
    other.leave();
  });

  test("keeps its topics over a restart: clients resume, and offsets go on", async () => {
    const publish = (messages: string[]): Promise<string> =>
      server.order("kept", { op: "publish", topic: "t", messages });
    const position = await publish(["read"]);
    await publish(["missed", "missed too"]);
    await server.kill();
    server = await RuntimeProcess.start(workers, server.folder);
    const query = `topic=t&wire=ndjson&lastEventId=${encodeURIComponent(position)}`;
    const follower = await server.follow("kept", query);
    await publish(["after the restart"]);
    const { open, data } = await follower.has(3);
    expect([open.states, data]).toEqual([{ t: "recovered" }, ["missed", "missed too", "after the restart"]]);
    follower.leave();
  });

  test("answers HEAD of a `chunked` response only once its source is over", async () => {
    const before = await json<SourceCounts>("chunked/counts");
    const head = await (await RawClient.send(server.port, "/inside/short", "HEAD")).has("\r\n\r\n");
    expect(head.text).toMatch(/^HTTP\/1.1 200 /);
    const { opened, closed } = before;
    expect(await json("chunked/counts")).toEqual({ opened: opened + 1, closed: closed + 1 });
    head.leave("RST");
  });

  test("has its alarm run after a restart, without a request", async () => {
    const AGE_MS = 3000;
    let beforeAlarm = false;
    // On a slow machine the alarm may run before the process is killed.
    while (!beforeAlarm) {
      const start = Date.now();
      await server.order("due", { op: "create", options: { log: { maxAgeMs: AGE_MS } } });
      await server.order("due", { op: "publish", topic: "t", messages: ["a", "b"] });
      await server.kill();
      beforeAlarm = Date.now() - start < AGE_MS;
      server = await RuntimeProcess.start(workers, server.folder);
    }
    await vi.waitUntil(async () => (await json<{ alarms: number[] }>("objects")).alarms.length > 0, {
      timeout: 60_000,
    });
    expect(await json<{ messages: number }>("held/due")).toMatchObject({ messages: 0 });
  });

  test("removes what is too old by its alarm", async () => {
    await server.order("old", { op: "create", options: { log: { maxAgeMs: 300 } } });
    await server.order("old", { op: "publish", topic: "t", messages: ["a", "b"] });
    const held = async (): Promise<number> => (await json<{ messages: number }>("held/old")).messages;
    await vi.waitUntil(async () => (await held()) === 0, { timeout: 60_000 });
    expect((await server.order("old", { op: "state" })).errors).toEqual([]);
  });

  test("refuses to share its tables with the application", async () => {
    await json("taken/mine");
    const { error } = await json<{ error: string }>("order/mine", { method: "POST", body: '{"op":"state"}' });
    expect(error).toMatch(/The object has tables of its own called message, which the hub needs\. Rename them\.$/);
  });

  test("is evicted once its clients have left, and finds its topics again", async () => {
    // The Worker answers this: a request to the object would keep it in memory.
    const isInMemory = async (): Promise<boolean> =>
      (await jsonFrom<{ inMemory: number[] }>(idle, "objects")).inMemory.includes(firstInstance);
    await vi.waitUntil(async () => !(await isInMemory()), { timeout: 240_000, interval: 250 });
    const query = `topic=t&wire=ndjson&lastEventId=${encodeURIComponent(idlePosition)}`;
    const follower = await (await idle.follow("idle", query)).has(1);
    expect([follower.open.states, follower.data]).toEqual([{ t: "recovered" }, ["missed"]]);
    expect(await idleInstance()).not.toBe(firstInstance);
    follower.leave();
  });
});
