import { afterEach, describe, expect, test, vi } from "vitest";
import type { HubOptions } from "../../../../src/index.ts";
import { Follower, followHub, notedHub, request, serveHub, streams, wires } from "../../../support/hub.ts";
import { RawRequest } from "../../../support/servers.ts";
import { turns, until } from "../../../support/sources.ts";

afterEach(() => void vi.useRealTimers());

describe("a subscription ends once, with the reason", () => {
  test.each(wires)("client, when the client leaves %s", async (wire) => {
    const server = await serveHub();
    const position = await server.hub.topic("a").publish(1);
    const request = RawRequest.get(server.port, `/?topic=a&wire=${wire}&lastEventId=${position}`);
    await until(() => server.opened.length === 1);
    request.socket.destroy();
    await until(() => server.closed.length === 1);
    await turns(20);
    expect(server.reasons).toEqual(["client"]);
    expect(server.closed[0]?.subscription).toBe(server.opened[0]);
  });

  test.each(["poll", ...streams] as const)("unauthorized, or gone, on %s", async (wire) => {
    const server = await serveHub();
    const position = await server.hub.topic("a").publish(1);
    for (const [i, reason] of (["unauthorized", "gone"] as const).entries()) {
      const follow = server.follow(`topic=a&wire=${wire}&lastEventId=${position}`);
      await until(() => server.opened.length === i + 1);
      server.opened[i]?.close(reason);
      server.opened[i]?.close("gone");
      const follower = await (await follow).ended();
      expect(follower.end).toEqual({ type: "end", reason, position, retryMs: null });
    }
    await turns(20);
    expect(server.reasons).toEqual(["unauthorized", "gone"]);
  });

  test.each(streams)("recycle, by age, on %s", async (wire) => {
    const server = await serveHub({ maxConnectionAgeMs: 50 });
    const follower = await (await server.follow(`topic=a&wire=${wire}`)).ended();
    expect(follower.end).toEqual({ type: "end", reason: "recycle", position: follower.open.position, retryMs: 0 });
    expect(server.reasons).toEqual(["recycle"]);
    expect(server.hub.stats()).toMatchObject({ recycled: 1, connections: 0 });
  });

  test.each(streams)("recycle, by bytes, on %s", async (wire) => {
    const bound: HubOptions = wire === "comet" ? { maxCometBytes: 4096 } : { maxConnectionBytes: 4096 };
    const server = await serveHub({ ...bound, pollMs: 50 });
    const follower = await (await server.follow(`topic=a&wire=${wire}`)).begun();
    for (let i = 0; i < 5; i += 1) await server.hub.topic("a").publish("x".repeat(1000));
    await follower.ended();
    expect(follower.end.reason).toBe("recycle");
    expect(server.reasons).toEqual(["recycle"]);
  });

  test("recycle, by writes, on comet", async () => {
    const server = await serveHub({ maxCometBytes: 2 ** 40, maxConnectionBytes: 2 ** 40 });
    const follower = await (await server.follow("topic=a&wire=comet")).begun();
    for (let i = 0; i < 5000; i += 1) {
      await server.hub.topic("a").publish(i);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await follower.ended();
    expect(follower.end.reason).toBe("recycle");
    expect(server.reasons).toEqual(["recycle"]);
  });

  test("poll, when it is complete and when it has timed out", async () => {
    const server = await serveHub({ pollMs: 30 });
    const first = await (await server.follow("topic=a&wire=poll")).ended();
    const second = await (await server.follow(`topic=a&wire=poll&lastEventId=${first.end.position}`)).ended();
    expect(second.items.map(({ type }) => type)).toEqual(["open", "end"]);
    expect(second.end.position).toBe(first.end.position);
    expect(server.reasons).toEqual(["poll", "poll"]);
  });

  test("poll, at once if it must not wait", async () => {
    const server = await serveHub({ pollMs: 60_000 });
    const first = await (await server.follow("topic=a&wire=poll")).ended();
    const second = await (await server.follow(`topic=a&wire=poll&wait=0&lastEventId=${first.end.position}`)).ended();
    expect(second.open.states).toEqual({ a: "recovered" });
    expect(second.items.map(({ type }) => type)).toEqual(["open", "end"]);
  });

  test.each(streams)("overflow, when the log has passed %s", async (wire) => {
    const { hub, reasons, opened } = notedHub({ log: { maxEntries: 4 } });
    const response = await hub.fetch(request(`topic=a&wire=${wire}`));
    for (let i = 0; i < 12; i += 1) await hub.topic("a").publish("x".repeat(30_000));
    expect(reasons).toEqual([]);
    const follower = new Follower(response, new URLSearchParams());
    await follower.ended();
    expect(follower.end.reason).toBe("overflow");
    expect(follower.end.retryMs).not.toBeNull();
    expect(follower.end.position).toBe(opened[0]?.position);
    expect(reasons).toEqual(["overflow"]);
  });

  test("stalled, when a client reads nothing of its backlog", async () => {
    const server = await serveHub({ stallMs: 50, heartbeatMs: 0, log: { maxBytes: 64 * 1024 * 1024 } });
    const slow = RawRequest.get(server.port, "/?topic=a&wire=ndjson");
    await until(() => server.opened.length === 1);
    slow.socket.pause();
    for (let i = 0; i < 300; i += 1) await server.hub.topic("a").publish("x".repeat(50_000));
    await until(() => server.closed.length === 1);
    await turns(20);
    expect(server.reasons).toEqual(["stalled"]);
    expect(server.hub.stats()).toMatchObject({ connections: 0, lagging: 0 });
    slow.socket.resume();
    await slow.over();
    // The connection was aborted: the last chunk never arrived.
    expect(slow.received.endsWith("0\r\n\r\n")).toBe(false);
  });

  test("drain, when the hub is closed", async () => {
    const server = await serveHub();
    const followers = await Promise.all(streams.map((wire) => server.follow(`topic=a&wire=${wire}`)));
    await server.hub.close({ drainMs: 0 });
    expect(server.reasons).toEqual(["drain", "drain", "drain"]);
    for (const follower of followers) {
      await follower.ended();
      expect(follower.end).toEqual({ type: "end", reason: "drain", position: follower.open.position, retryMs: 0 });
    }
  });
});

test.each(streams)(
  "delivers messages on %s that were published before the subscription was closed, and then the end",
  async (wire) => {
    const server = await serveHub();
    const follower = await (await server.follow(`topic=a&wire=${wire}`)).begun();
    void server.hub.topic("a").publish("the last word");
    server.opened[0]?.close("gone");
    await follower.ended();
    expect(follower.items.map(({ type }) => type)).toEqual(["open", "message", "end"]);
  },
);

describe("hooks", () => {
  test("that throw are reported to onError, and have no other effect", async () => {
    const [onOpen, onClose] = [new Error("onOpen"), new Error("onClose")];
    const server = await serveHub({
      onOpen: () => {
        throw onOpen;
      },
      onClose: () => {
        throw onClose;
      },
    });
    const follower = await (await server.follow("topic=a&wire=ndjson")).begun();
    await server.hub.topic("a").publish("kiki");
    await follower.has(1);
    server.opened[0]?.close("gone");
    await follower.ended();
    expect(follower.end.reason).toBe("gone");
    expect(server.errors).toEqual([onOpen, onClose]);
    expect(server.hub.stats().connections).toBe(0);
  });

  test("include onOpen, which receives an open subscription and may close it", async () => {
    const noted = notedHub({ onOpen: (subscription) => subscription.close("unauthorized") });
    await noted.hub.topic("a").publish("secret");
    for (const wire of wires) {
      const follower = await (await followHub(noted.hub, `topic=a&wire=${wire}&from=oldest`)).ended();
      expect(follower.items.map(({ type }) => type)).toEqual(["open", "end"]);
    }
    expect(noted.reasons).toEqual(wires.map(() => "unauthorized"));
  });

  test("receive a subscription that describes itself", async () => {
    const { hub, opened } = notedHub();
    const position = await hub.topic("a").publish(1);
    await followHub(hub, `topic=a&topic=b&wire=sse&lastEventId=${position}`);
    const [subscription] = opened;
    expect(subscription).toMatchObject({ topics: ["a", "b"], wire: "sse", states: { a: "recovered", b: "fresh" } });
    expect(subscription?.position.split(",")).toEqual([position, expect.stringMatching(/^b=\w+\.0$/) as string]);
    expect([...hub.subscriptions()]).toEqual([subscription]);
  });
});

describe("heartbeats", () => {
  test.each(streams)("are sent on %s while nothing else is", async (wire) => {
    const server = await serveHub({ heartbeatMs: 50 });
    for (const mode of ["plain", "managed"]) {
      const follower = await server.follow(`topic=a&wire=${wire}&mode=${mode}`);
      await until(() => follower.heartbeats >= 3);
      expect(follower.open.heartbeatMs).toBe(50);
      expect(follower.items.map(({ type }) => type)).toEqual([
        "open",
        ...Array<string>(follower.heartbeats).fill("heartbeat"),
      ]);
    }
  });

  test("leave no silence longer than heartbeatMs, and do not follow other data much sooner", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
    const { hub } = notedHub({ heartbeatMs: 1000 });
    const follower = await followHub(hub, "topic=a&wire=ndjson");
    await turns();
    let silent = 0;
    let last = follower.items.length;
    let afterMessage = Infinity;
    for (let ms = 0; ms < 20_000; ms += 10) {
      if (ms === 4300 || ms === 4900) void hub.topic("a").publish(ms);
      await vi.advanceTimersByTimeAsync(10);
      await turns(2);
      silent = follower.items.length === last ? silent + 10 : 0;
      afterMessage = follower.items.at(-1)?.type === "message" ? 0 : afterMessage + 10;
      last = follower.items.length;
      expect(silent, `at ${ms} ms`).toBeLessThanOrEqual(1000);
    }
    expect(follower.heartbeats).toBeGreaterThanOrEqual(18);
    expect(follower.heartbeats).toBeLessThanOrEqual(23);
    const at = follower.items.findIndex(({ type }) => type === "message");
    // Between the two messages, 600 ms apart, there was no need for one.
    expect(follower.items[at + 1]?.type).toBe("message");
  });

  test("are not sent if they are disabled, nor on poll, which announces none", async () => {
    const { hub } = notedHub({ heartbeatMs: 0, pollMs: 200 });
    const follower = await (await followHub(hub, "topic=a&wire=ndjson")).begun();
    expect(follower.open.heartbeatMs).toBe(0);
    const polling = notedHub({ heartbeatMs: 50, pollMs: 200 }).hub;
    const first = await (await followHub(polling, "topic=a&wire=poll")).ended();
    const second = await (await followHub(polling, `topic=a&wire=poll&lastEventId=${first.end.position}`)).ended();
    expect(second.items.map(({ type }) => type)).toEqual(["open", "end"]);
    expect(second.open.heartbeatMs).toBe(0);
    expect(follower.items).toHaveLength(1);
  });
});

test.each(streams)("resumes on %s from the position of each recycle, without a loss or a duplicate", async (wire) => {
  const server = await serveHub({ maxConnectionAgeMs: 40, maxConnectionBytes: 2048, maxCometBytes: 2048 });
  const seen: unknown[] = [];
  let position = "";
  let recycles = 0;
  const publishing = (async () => {
    for (let i = 0; i < 200; i += 1) {
      await server.hub.topic("a").publish(`message ${i}`);
      if (i % 5 === 0) await turns();
      // However fast messages are published, the rest waits for another recycle.
      if (i % 50 === 49 && i < 199) await until(() => recycles > Math.floor(i / 50));
    }
  })();
  while (seen.length < 200) {
    const query = `topic=a&wire=${wire}&from=oldest&lastEventId=${encodeURIComponent(position)}`;
    const follower = await (await server.follow(query)).ended();
    seen.push(...follower.data);
    expect(follower.open.states).toEqual({ a: recycles === 0 ? "fresh" : "recovered" });
    expect(follower.end).toMatchObject({ reason: "recycle", retryMs: 0 });
    position = follower.end.position;
    recycles += 1;
  }
  await publishing;
  expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => `message ${i}`));
  expect(server.hub.stats().recycled).toBe(recycles);
  expect(recycles).toBeGreaterThan(2);
});
