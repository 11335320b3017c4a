import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Follower, followHub, notedHub, request, streams, wires } from "../../support/hub.ts";
import { liveBytes } from "../../support/memory.ts";
import { turns, until } from "../../support/sources.ts";

describe("a response's body", () => {
  test.each(streams)("begins with open on %s, and delivers each message when it is published", async (wire) => {
    const { hub } = notedHub();
    const follower = await (await followHub(hub, `topic=a&wire=${wire}`)).begun();
    expect(follower.open.states).toEqual({ a: "fresh" });
    for (const [i, message] of ["kiki", "foo", "bar"].entries()) {
      await hub.topic("a").publish(message);
      expect((await follower.has(i + 1)).data.at(-1)).toBe(message);
    }
  });

  test("has its own bytes, so that a reader that overwrites them affects no other", async () => {
    const { hub } = notedHub();
    const spoiled = await hub.fetch(request("topic=a&wire=ndjson"));
    const other = await followHub(hub, "topic=a&wire=ndjson");
    const reader = (spoiled.body as ReadableStream<Uint8Array>).getReader();
    for (let i = 0; i < 3; i += 1) {
      (await reader.read()).value?.fill(0);
      await hub.topic("a").publish("kiki");
    }
    expect((await other.has(3)).data).toEqual(["kiki", "kiki", "kiki"]);
  });

  test("is complete when the response of a poll arrives", async () => {
    const { hub, reasons } = notedHub();
    const position = await hub.topic("a").publish(1);
    let answered = false;
    const answer = hub.fetch(request(`topic=a&wire=poll&lastEventId=${position}`));
    void answer.then(() => (answered = true));
    await turns(20);
    expect(answered).toBe(false);
    await hub.topic("a").publish({ two: 2 });
    const next = position.replace(/1$/, "2");
    expect(await (await answer).json()).toEqual([
      { open: { states: { a: "recovered" }, position, heartbeatMs: expect.any(Number) as number } },
      { id: next, data: { two: 2 } },
      { end: { reason: "poll", position: next, retryMs: 0 } },
    ]);
    expect(reasons).toEqual(["poll"]);
    expect(hub.stats().connections).toBe(0);
  });

  test("ends with the hub", async () => {
    const { hub } = notedHub();
    const position = await hub.topic("a").publish(1);
    const followers = streams.map((wire) => followHub(hub, `topic=a&wire=${wire}`));
    const poll = followHub(hub, `topic=a&wire=poll&lastEventId=${position}`);
    await Promise.all(followers);
    await hub.close({ drainMs: 0 });
    for (const follower of await Promise.all([...followers, poll])) {
      expect((await follower.ended()).end.reason).toBe("drain");
    }
  });
});

describe("a client that leaves", () => {
  test.each(streams)("by cancelling the body on %s is reported once, as client", async (wire) => {
    const noted = notedHub();
    const response = await noted.hub.fetch(request(`topic=a&wire=${wire}`));
    await response.body?.cancel();
    await noted.hub.topic("a").publish(1);
    await turns();
    expect(noted.reasons).toEqual(["client"]);
    expect(noted.hub.stats()).toMatchObject({ connections: 0, lagging: 0, delivered: 0 });
  });

  test.each(streams)("by its signal on %s is reported once, and its body is closed", async (wire) => {
    const noted = notedHub();
    const controller = new AbortController();
    const response = await noted.hub.fetch(request(`topic=a&wire=${wire}`, { signal: controller.signal }));
    controller.abort(new Error("left"));
    controller.abort();
    expect(noted.reasons).toEqual(["client"]);
    expect(await response.text()).not.toContain("end");
    await noted.hub.topic("a").publish(1);
    expect(noted.reasons).toEqual(["client"]);
    expect(noted.hub.stats().connections).toBe(0);
  });

  test("by its signal while a poll waits is reported once, and the poll is answered", async () => {
    const noted = notedHub();
    const position = await noted.hub.topic("a").publish(1);
    const controller = new AbortController();
    const url = `topic=a&wire=poll&lastEventId=${position}`;
    const answer = noted.hub.fetch(request(url, { signal: controller.signal }));
    await until(() => noted.opened.length === 1);
    controller.abort(new Error("left"));
    const { status, body } = await answer;
    expect([status, body]).toEqual([499, null]);
    expect(noted.reasons).toEqual(["client"]);
    expect(noted.hub.stats().connections).toBe(0);
  });

  test("before it is answered leaves no subscription", async () => {
    const noted = notedHub({ authorize: () => turns().then(() => true) });
    for (const wire of wires) {
      const controller = new AbortController();
      const answer = noted.hub.fetch(request(`topic=a&wire=${wire}`, { signal: controller.signal }));
      controller.abort();
      expect([(await answer).status, await (await answer).text()]).toEqual([499, ""]);
    }
    expect(noted.hub.stats().connections).toBe(0);
    expect(noted.closed.map(({ subscription }) => subscription)).toEqual(noted.opened);
  });

  test("after the end has no effect", async () => {
    const noted = notedHub();
    const controller = new AbortController();
    const response = await noted.hub.fetch(request("topic=a&wire=ndjson", { signal: controller.signal }));
    noted.opened[0]?.close("gone");
    await turns();
    expect(await response.text()).toContain('"gone"');
    controller.abort();
    expect(noted.reasons).toEqual(["gone"]);
  });
});

describe("a hub that closes", () => {
  /** Opens a stream, ends the hub, and returns whether it is closed, and the reader of the body. */
  async function closing(platform: readonly unknown[] = []) {
    const noted = notedHub();
    const response = await noted.hub.fetch(request("topic=a&wire=ndjson"), ...platform);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const state = { isClosed: false };
    const closed = noted.hub.close({ drainMs: 0 }).then(() => (state.isClosed = true));
    await turns();
    expect(noted.reasons).toEqual(["drain"]);
    const readEnd = async (): Promise<void> => {
      for (;;) {
        const { value } = await reader.read();
        if (new TextDecoder().decode(value).includes('"end"')) return;
      }
    };
    return { state, closed, reader, readEnd };
  }

  test("waits until the reader of a body has taken the end and asks for more", async () => {
    const { state, closed, reader, readEnd } = await closing();
    await readEnd();
    await turns();
    expect(state.isClosed).toBe(false);
    expect((await reader.read()).done).toBe(true);
    await closed;
  });

  test("waits no longer for a reader that cancels the body", async () => {
    const { state, closed, reader } = await closing();
    expect(state.isClosed).toBe(false);
    await reader.cancel();
    await closed;
  });

  test("waits at most 5 s, and then leaves the end to the reader", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const { state, closed, reader, readEnd } = await closing();
    await vi.advanceTimersByTimeAsync(4900);
    expect(state.isClosed).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    await closed;
    await readEnd();
    expect((await reader.read()).done).toBe(true);
  });

  test.each(["resolves", "rejects"])("waits until the platform's promise of completion %s", async (how) => {
    const completed = Promise.withResolvers<undefined>();
    const { state, closed, reader, readEnd } = await closing([{ completed: completed.promise }]);
    await readEnd();
    expect((await reader.read()).done).toBe(true);
    await turns();
    expect(state.isClosed).toBe(false);
    if (how === "resolves") completed.resolve(undefined);
    else completed.reject(new Error("the client has left"));
    await closed;
  });

  test("waits until the platform has sent the answer of a poll", async () => {
    const noted = notedHub();
    const completed = Promise.withResolvers<undefined>();
    const position = await noted.hub.topic("a").publish(1);
    const answer = noted.hub.fetch(request(`topic=a&wire=poll&lastEventId=${position}`), {
      completed: completed.promise,
    });
    await until(() => noted.opened.length === 1);
    let isClosed = false;
    const closed = noted.hub.close({ drainMs: 0 }).then(() => (isClosed = true));
    expect(await (await answer).text()).toContain('"drain"');
    await turns();
    expect([isClosed, noted.reasons]).toEqual([false, ["drain"]]);
    completed.resolve(undefined);
    await closed;
  });
});

describe("a body that is not read", () => {
  const message = "x".repeat(10_000);

  test("buffers no more than its bound while many messages are published", async () => {
    const { hub, reasons } = notedHub({ log: { maxEntries: 100 } });
    await hub.fetch(request("topic=a&wire=ndjson"));
    const publish = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) await hub.topic("a").publish(message);
      await turns();
    };
    await publish(50);
    const { delivered } = hub.stats();
    await publish(50);
    expect(hub.stats()).toMatchObject({ delivered, lagging: 1 });
    expect(delivered).toBeLessThan(20);
    expect(reasons).toEqual([]);
  });

  test("uses no more memory than its bound, as 200 show while many messages are published", async () => {
    const { hub, reasons } = notedHub({ log: { maxBytes: 1_000_000 }, overflow: "skip" });
    const responses: Response[] = [];
    for (let i = 0; i < 200; i += 1) responses.push(await hub.fetch(request(`topic=a&wire=${streams[i % 3] ?? ""}`)));
    const before = liveBytes();
    for (let i = 0; i < 2000; i += 1) await hub.topic("a").publish(`${message}${i}`);
    await turns(20);
    const held = liveBytes() - before;
    // 20 MB were published to each of 200. A body holds 64 KiB, and at most one write of 64 KiB beyond that.
    expect(held).toBeLessThan(200 * 2 * 66_000 + 4_000_000);
    expect(hub.stats()).toMatchObject({ connections: 200, lagging: 200 });
    expect(reasons).toEqual([]);
    expect(responses).toHaveLength(200);
  });

  const slowReader = async (overflow: "resume" | "skip" | "latest"): Promise<Follower> => {
    const { hub } = notedHub({ log: { maxEntries: 10 }, overflow });
    const topic = hub.topic("a");
    const response = await hub.fetch(request("topic=a&wire=ndjson"));
    for (let i = 1; i <= 60; i += 1) await topic.publish({ i, message }, { key: `key ${i % 4}` });
    const follower = new Follower(response, new URLSearchParams());
    await turns(50);
    return follower;
  };
  const numbers = ({ data }: Follower): number[] => data.map((value) => (value as { i: number }).i);
  const from = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

  test("ends with overflow once it is read again under the policy resume", async () => {
    const follower = await (await slowReader("resume")).ended();
    expect(follower.end.reason).toBe("overflow");
    const got = numbers(follower);
    expect(got).toEqual(from(1, got.length));
    expect(follower.end.position).toMatch(new RegExp(`\\.${got.length}$`));
  });

  test("continues after a gap under the policy skip", async () => {
    const follower = await slowReader("skip");
    const gap = follower.items.find(({ type }) => type === "gap");
    const got = numbers(follower);
    const missed = (gap as { missed: number }).missed;
    expect(got.length + missed).toBe(60);
    expect(follower.over).toBe(false);
    expect(follower.items.filter(({ type }) => type === "gap")).toHaveLength(1);
  });

  test("receives the newest of each key under the policy latest", async () => {
    const follower = await slowReader("latest");
    const gap = follower.items.find(({ type }) => type === "gap") as { missed: number };
    const got = numbers(follower);
    expect(got.slice(-4)).toEqual([57, 58, 59, 60]);
    expect(got.length + gap.missed).toBe(60);
    expect(follower.over).toBe(false);
  });
});
