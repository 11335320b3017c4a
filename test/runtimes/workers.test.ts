import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RuntimeProcess } from "../support/runtimes/runtime-process.ts";
import { workers } from "../support/runtimes/runtimes.ts";
import { runtimeContract } from "./contract.ts";

runtimeContract(workers);

describe("a Durable Object", () => {
  let server: RuntimeProcess;
  const json = async <T>(path: string, init?: RequestInit): Promise<T> =>
    (await fetch(`http://127.0.0.1:${server.port}/${path}`, init)).json() as T;

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
});
