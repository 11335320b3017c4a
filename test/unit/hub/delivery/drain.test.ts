import { afterEach, describe, expect, test, vi } from "vitest";
import { Enumeratee } from "../../../../src/index.ts";
import { followHub, notedHub, request, serveHub, type Follower } from "../../../support/hub.ts";
import { RawRequest } from "../../../support/servers.ts";
import { collect, expectCode, turns } from "../../../support/sources.ts";

afterEach(() => void vi.useRealTimers());

describe("a hub that is closed", () => {
  test("spreads the ends over drainMs, and spreads the reconnects over as much time after it", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
    const drainMs = 1000;
    const ends: number[] = [];
    let start = 0;
    const { hub } = notedHub({ onClose: () => ends.push(performance.now() - start) });
    const followers: Follower[] = [];
    for (let i = 0; i < 100; i += 1) followers.push(await followHub(hub, "topic=a&wire=ndjson"));
    start = performance.now();
    let closed = false;
    const closing = hub.close({ drainMs }).then(() => (closed = true));
    await vi.advanceTimersByTimeAsync(drainMs - 1);
    expect(closed).toBe(false);
    await vi.advanceTimersByTimeAsync(50);
    await closing;
    for (const follower of followers) await vi.waitFor(() => expect(follower.over).toBe(true));
    expect(ends).toHaveLength(100);
    const retries = followers.map(({ end }) => end.retryMs ?? NaN);
    // The connections are ended in the order in which they were opened.
    retries.forEach((retryMs, i) => {
      const remaining = drainMs - Math.min(ends[i] ?? NaN, drainMs);
      expect(retryMs).toBeGreaterThanOrEqual(remaining);
      expect(retryMs).toBeLessThanOrEqual(remaining + drainMs);
    });
    for (const quarter of [1, 2, 3]) {
      const ended = ends.filter((at) => at <= (quarter * drainMs) / 4).length;
      expect(ended).toBeGreaterThanOrEqual(quarter * 25 - 3);
      expect(ended).toBeLessThanOrEqual(quarter * 25 + 1);
    }
    expect(new Set(retries).size).toBeGreaterThan(50);
  });

  test("sends messages that are published before its end, and rejects later ones", async () => {
    const { hub } = notedHub();
    const topic = hub.topic("a");
    const follower = await followHub(hub, "topic=a&wire=ndjson");
    const others = await Promise.all(Array.from({ length: 9 }, () => followHub(hub, "topic=a&wire=ndjson")));
    const closing = hub.close({ drainMs: 100 });
    await topic.publish("while it closes");
    await closing;
    for (const { data, end } of await Promise.all([follower, ...others].map((one) => one.ended()))) {
      expect(end.reason).toBe("drain");
      expect(data.length).toBeLessThanOrEqual(1);
    }
    await expectCode("ERR_CLOSED", () => topic.publish("after"));
    expect(others.at(-1)?.data).toEqual(["while it closes"]);
  });

  test("sends messages that were published just before it is closed", async () => {
    const { hub } = notedHub();
    const follower = await (await followHub(hub, "topic=a&wire=ndjson")).begun();
    void hub.topic("a").publish("the last word");
    await hub.close({ drainMs: 0 });
    await follower.ended();
    expect(follower.data).toEqual(["the last word"]);
  });

  test("ends enumerators that wait, and those that begin later", async () => {
    const { hub } = notedHub();
    const waiting = collect(
      hub
        .topic("a")
        .messages()
        .through(Enumeratee.map(({ data }) => data)),
    );
    await turns();
    await hub.topic("a").publish("kiki");
    await hub.close({ drainMs: 0 });
    expect(await waiting).toEqual(["kiki"]);
    expect(
      await collect(
        hub
          .topic("a")
          .messages({ from: "oldest" })
          .through(Enumeratee.map(({ data }) => data)),
      ),
    ).toEqual(["kiki"]);
  });

  test("rejects new requests, with the time at which the drain ends", async () => {
    const server = await serveHub();
    const follower = await (await server.follow("topic=a&wire=ndjson")).begun();
    // The hub's clock stands still.
    vi.useFakeTimers({ toFake: ["performance"] });
    const closing = server.hub.close({ drainMs: 3000 });
    const get = async (): Promise<number> => {
      const response = await fetch(`${server.origin}/?topic=a`);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ code: "ERR_CLOSED", status: 503 });
      return Number(response.headers.get("retry-after"));
    };
    expect(await get()).toBe(3);
    // Another call returns the same promise, and has no other effect.
    void server.hub.close({ drainMs: 60_000 });
    expect(await get()).toBe(3);
    follower.leave();
    await closing;
    expect(await get()).toBeGreaterThanOrEqual(1);
  });

  test("rejects requests that wait for authorize", async () => {
    let allow = (_: boolean): void => undefined;
    const { hub } = notedHub({ authorize: () => new Promise<boolean>((resolve) => (allow = resolve)) });
    const response = hub.fetch(request("topic=a"));
    await turns();
    const closing = hub.close({ drainMs: 0 });
    allow(true);
    expect((await response).status).toBe(503);
    await closing;
  });

  test("finishes closing at any moment at which a request arrives", async () => {
    for (let ticks = 0; ticks < 12; ticks += 1) {
      const { hub } = notedHub({ authorize: () => Promise.resolve(true) });
      const follow = followHub(hub, "topic=a&wire=ndjson").catch(() => undefined);
      for (let i = 0; i < ticks; i += 1) await Promise.resolve();
      await hub.close({ drainMs: 0 });
      (await follow)?.leave();
    }
  });

  test("returns the same promise again, and validates drainMs", async () => {
    const { hub } = notedHub();
    for (const drainMs of [-1, 0.5, NaN, Infinity, "1"]) {
      await expectCode("ERR_OPTION", () => hub.close({ drainMs: drainMs as number }));
    }
    expect((await hub.fetch(request("topic=a"))).status).toBe(200);
    const first = hub.close({ drainMs: 0 });
    expect(hub.close()).toBe(first);
    await first;
  });

  test("finishes closing while a client reads nothing, and aborts that client", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
    const server = await serveHub({ heartbeatMs: 0, log: { maxBytes: 64 * 1024 * 1024 } });
    // Plain: compressed, this text would fit into the buffers of the sockets.
    const slow = RawRequest.get(server.port, "/?topic=a&wire=ndjson", "Accept-Encoding: identity\r\n");
    while (server.opened.length === 0) await turns(1);
    slow.socket.pause();
    for (let i = 0; i < 300; i += 1) await server.hub.topic("a").publish("x".repeat(50_000));
    await turns(100);
    let closed = false;
    const closing = server.hub.close({ drainMs: 0 }).then(() => (closed = true));
    await turns(50);
    expect(closed).toBe(false);
    expect(server.reasons).toEqual(["drain"]);
    await vi.advanceTimersByTimeAsync(7000);
    await closing;
    expect(server.reasons).toEqual(["drain"]);
  });
});
