import { describe, expect, test } from "vitest";
import { Hub, type HubOptions, type TopicOptions } from "../../../src/index.ts";
import { MemoryBrokers } from "../../../src/brokers/memory/memory-brokers.ts";
import { flushed, open, type FakeSink } from "../../support/fake-sink.ts";
import { followHub, notedHub, problemOf, request } from "../../support/hub.ts";
import { withoutFinite } from "../../support/faulty-broker.ts";
import { expectCode, until } from "../../support/sources.ts";

const finite = { finite: true } as const;
const declared = (options: TopicOptions = {}): HubOptions => ({ topics: () => ({ finite: true, ...options }) });

/** The items of a sink on ndjson, by name. */
const named = (sink: FakeSink, name: string): unknown[] =>
  sink.lines.filter((line) => name in line).map((line) => line[name]);

describe("a topic that ends", () => {
  test.each(["complete", "stopped"] as const)(
    "tells its readers the outcome %s after all messages",
    async (outcome) => {
      const hub = new Hub();
      const topic = hub.topic<string>("t", finite);
      const early = await open(hub, "topic=t");
      for (const text of ["a", "b"]) await topic.publish(text);
      const position = await topic.end({ outcome });
      await flushed();
      const late = await open(hub, "topic=t");
      for (const { sink, connection } of [early, late]) {
        expect(sink.messages).toEqual(["a", "b"]);
        expect(named(sink, "ended")).toEqual([{ topic: "t", outcome, position }]);
        expect(named(sink, "end")).toEqual([{ reason: "gone", position, retryMs: null }]);
        expect(sink.state).toBe("ended");
        expect(connection.over).toBe(true);
      }
      expect(hub.stats().connections).toBe(0);
    },
  );

  test("shows the code and the message of a plain object, and nothing of an error", async () => {
    const hub = new Hub();
    const generic = { code: "ERR_FAILED", message: "The source of this topic has failed." };
    const cases: [unknown, object][] = [
      [
        { code: "quota", message: "The quota is used up." },
        { code: "quota", message: "The quota is used up." },
      ],
      [{ code: "quota" }, { ...generic, code: "quota" }],
      [Object.assign(new Error("the password is swordfish"), { code: "ECONNREFUSED" }), generic],
      ["the password is swordfish", generic],
      [null, generic],
    ];
    for (const [i, [error, shown]] of cases.entries()) {
      const { sink } = await open(hub, `topic=${i}`);
      await hub.topic(String(i), finite).end({ error });
      await flushed();
      expect(named(sink, "ended")).toMatchObject([{ topic: String(i), outcome: "failed", ...shown }]);
      expect(sink.text).not.toContain("swordfish");
    }
  });

  test.each([
    { outcome: "done" as never },
    { error: { code: "" } },
    { error: { code: "a\nb" } },
    { error: { code: 1 } },
    { error: { message: "x".repeat(1001) } },
    { error: { message: "\ud800" } },
  ])("rejects the end %j", (options) => {
    const topic = new Hub().topic("t", finite);
    expect(() => topic.end(options)).toThrow(expect.objectContaining({ code: "ERR_OPTION" }));
  });

  test("rejects everything after its end, but a repeated publish of a known id", async () => {
    const topic = new Hub().topic<string>("t", finite);
    const position = await topic.publish("a", { messageId: "1" });
    await topic.end();
    await expect(topic.publish("b")).rejects.toMatchObject({ code: "ERR_ENDED" });
    await expect(topic.end()).rejects.toMatchObject({ code: "ERR_ENDED" });
    expect(await topic.publish("a", { messageId: "1" })).toBe(position);
  });

  test("must be declared, before its first message", async () => {
    const hub = new Hub();
    const topic = hub.topic<string>("t");
    const throws = expect.objectContaining({ code: "ERR_OPTION" }) as Error;
    expect(() => topic.end()).toThrow(throws);
    await topic.publish("a");
    expect(() => hub.topic<string>("t", finite).publish("b")).toThrow(throws);
    expect(() => new Hub({ topics: () => ({}) }).topic("t", finite)).toThrow(throws);
    expect(() => new Hub({ topics: () => ({ ttlMs: 1 }) }).topic("t").publish(1)).toThrow(throws);
    expect(() => hub.topic("u", { ttlMs: 5 })).toThrow(throws);
    expect(() => hub.topic("u", { finite: "yes" as never })).toThrow(throws);
    expect(() => hub.topic("u", { finite: true, ttlMs: 0 })).toThrow(throws);
    expect(() => new Hub(declared({ startTimeoutMs: -1 })).topic("t").publish(1)).toThrow(throws);
  });

  test("is refused with a broker that does not keep such topics, or not for so long", async () => {
    const memory = new MemoryBrokers();
    const { hub } = notedHub({ broker: withoutFinite(memory.join()) });
    await expectCode("ERR_BROKER_CONFIG", () => hub.topic("t", finite));
    await expectCode("ERR_OPTION", () => hub.topic("t").end());
    await expectCode("ERR_BROKER_CONFIG", () => hub.topic("t").delete());
    const broker = memory.join();
    const brief = notedHub({ broker: Object.assign(broker, { finite: { ...broker.finite, maxKeptMs: 1000 } }) });
    await expectCode("ERR_BROKER_CONFIG", () => brief.hub.topic("t", { ...finite, ttlMs: 1001 }), /1000 ms.*maxAgeMs/);
    await expectCode("ERR_BROKER_CONFIG", () => brief.hub.produce("t", () => ["a"], { ttlMs: 1001 }));
    expect(brief.hub.topic("t", { ...finite, ttlMs: 1000 }).name).toBe("t");
  });

  test("keeps its end while its bounds drop messages, and a gap does not count it", async () => {
    const hub = new Hub({ log: { maxEntries: 2 } });
    const topic = hub.topic<number>("t", finite);
    const first = await topic.publish(0);
    for (let i = 1; i <= 5; i += 1) await topic.publish(i);
    await topic.end();
    for (const query of ["topic=t", `topic=t&lastEventId=${first}`, "topic=t&from=oldest"]) {
      const { sink } = await open(hub, query);
      expect(sink.messages).toEqual([4, 5]);
      expect(named(sink, "gap")).toMatchObject([{ missed: query.includes("lastEventId") ? 3 : 4 }]);
      expect(named(sink, "ended")).toHaveLength(1);
    }
  });

  test.each(["skip", "latest", "resume"] as const)(
    "gives its end to a subscriber that lags with %s",
    async (overflow) => {
      const hub = new Hub({ log: { maxEntries: 2 }, overflow });
      const topic = hub.topic<number>("t", finite);
      const { sink, connection } = await open(hub, "topic=t");
      sink.full = true;
      void topic.publish(0, { key: "k" });
      await flushed();
      for (let i = 1; i <= 9; i += 1) void topic.publish(i, { key: "k" });
      void topic.end();
      await flushed();
      sink.full = false;
      connection.drained();
      await flushed();
      if (overflow === "resume") {
        const { position } = named(sink, "end")[0] as { position: string };
        const again = await open(hub, `topic=t&lastEventId=${position}`);
        expect(named(again.sink, "ended")).toHaveLength(1);
        return;
      }
      const skipped = named(sink, "gap").reduce((sum: number, gap) => sum + (gap as { missed: number }).missed, 0);
      expect(sink.messages.length + skipped).toBe(10);
      expect(named(sink, "ended")).toHaveLength(1);
      expect(named(sink, "end")).toMatchObject([{ reason: "gone" }]);
    },
  );

  test("starts its readers at its first message by default, and at its end with from=newest", async () => {
    const hub = new Hub();
    const topic = hub.topic<string>("t", finite);
    await topic.publish("a");
    const running = await open(hub, "topic=t&from=newest");
    expect(running.sink.messages).toEqual([]);
    await topic.end();
    await flushed();
    expect(named(running.sink, "ended")).toHaveLength(1);
    const { sink } = await open(hub, "topic=t&from=newest");
    expect(sink.messages).toEqual([]);
    expect(named(sink, "ended")).toHaveLength(1);
  });

  test("ends a stream of several topics when all of them have ended", async () => {
    const hub = new Hub();
    const [a, b] = [hub.topic<string>("a", finite), hub.topic<string>("b", finite)];
    const { sink } = await open(hub, "topic=a&topic=b");
    await a.end();
    await flushed();
    expect(named(sink, "ended")).toMatchObject([{ topic: "a" }]);
    await b.publish("x");
    await b.end({ error: true });
    await flushed();
    expect(sink.messages).toEqual(["x"]);
    expect(named(sink, "ended")).toMatchObject([{ topic: "a" }, { topic: "b", outcome: "failed" }]);
    expect(named(sink, "end")).toMatchObject([{ reason: "gone" }]);
  });

  test("gives its end again to a client that comes back after it", async () => {
    const hub = new Hub();
    const topic = hub.topic<string>("t", finite);
    await topic.publish("a");
    const position = await topic.end({ outcome: "stopped" });
    for (const query of ["", "&topic=u", "&wire=poll"]) {
      const { sink } = await open(hub, `topic=t${query}&lastEventId=${position}`);
      expect(sink.messages).toEqual([]);
      expect(named(sink, "open")).toMatchObject([{ states: { t: "recovered" } }]);
      expect(JSON.stringify(named(sink, "open"))).toContain(position);
      expect(named(sink, "ended")).toEqual([{ topic: "t", outcome: "stopped", position }]);
    }
  });

  test("finishes `messages`, or fails it", async () => {
    const hub = new Hub();
    const good = hub.topic<number>("good", finite);
    const bad = hub.topic<number>("bad", finite);
    const read = async (topic: typeof good, from: string): Promise<number[]> => {
      const data: number[] = [];
      for await (const message of topic.messages({ from })) data.push(message.data);
      return data;
    };
    const running = read(good, "oldest");
    const failing = read(bad, "oldest");
    for (const topic of [good, bad]) await topic.publish(1);
    await good.end();
    await bad.end({ error: { code: "quota", message: "No more." } });
    expect(await running).toEqual([1]);
    expect(await read(good, "oldest")).toEqual([1]);
    expect(await read(good, "newest")).toEqual([]);
    await expect(failing).rejects.toMatchObject({
      code: "ERR_FAILED",
      message: expect.stringContaining("quota") as string,
    });
  });
});

describe("each wire", () => {
  test.each(["ndjson", "sse", "comet", "poll", "sse&mode=managed", "comet&mode=managed"])(
    "%s tells the end",
    async (wire) => {
      const { hub } = notedHub();
      const topic = hub.topic<string>("t", finite);
      await topic.publish("a");
      await topic.end({ error: { code: "</script>-->", message: "</script>--><!--\u2028" } });
      const follower = await followHub(hub, `topic=t&wire=${wire}`);
      await follower.ended();
      expect(follower.data).toEqual(["a"]);
      const ended = follower.items.filter(({ type }) => type === "ended");
      expect(ended).toMatchObject([{ topic: "t", outcome: "failed", code: "</script>-->" }]);
      expect(follower.items.at(-1)).toMatchObject({ type: "end", reason: "gone", retryMs: null });
      if (wire.startsWith("comet")) expect(follower.text).not.toContain("</script>-->");
    },
  );

  test("plain comet calls a function of its own", async () => {
    const { hub } = notedHub();
    await hub.topic("t", finite).end();
    const body = await (await hub.fetch(request("topic=t&wire=comet&ended=parent.cometEnded"))).text();
    expect(body).toMatch(
      /<script>parent\.cometEnded\(\{"topic":"t","outcome":"complete","position":"t=\w+\.1"\}\);<\/script>\n/,
    );
    for (const ended of ["eval", "a b", ""]) {
      const answer = await hub.fetch(request(`topic=t&wire=comet&ended=${ended}`));
      expect(answer.status).toBe(400);
      expect(await answer.text()).toContain("ERR_CALLBACK");
    }
  });

  test("plain sse answers an EventSource that has had every end with 204", async () => {
    const { hub } = notedHub();
    const topic = hub.topic<string>("t", finite);
    const before = await topic.publish("a");
    const position = await topic.end();
    const status = async (query: string, id: string): Promise<number> => {
      const answer = await hub.fetch(request(query, { headers: { "last-event-id": id } }));
      if (answer.status === 204) expect(await answer.text()).toBe("");
      else await answer.body?.cancel();
      return answer.status;
    };
    expect(await status("topic=t&wire=sse", position)).toBe(204);
    expect(await status("topic=t&wire=sse", before)).toBe(200);
    expect(await status("topic=t&wire=ndjson", position)).toBe(200);
    expect(await status("topic=t&topic=u&wire=sse", position)).toBe(200);
    expect(hub.stats().connections).toBe(0);
  });
});

describe("a topic that has expired", () => {
  test("is refused with 410 until its name begins anew", async () => {
    const { hub } = notedHub();
    const topic = hub.topic<string>("t", { finite: true, ttlMs: 1 });
    await topic.publish("a");
    const position = await topic.end();
    await until(() => hub.stats().topics === 0);
    await problemOf(await hub.fetch(request("topic=t")), 410, "ERR_TOPIC_EXPIRED");
    expect((await hub.fetch(request("topic=t", { method: "HEAD" }))).status).toBe(410);
    const both = await open(hub, "topic=t&topic=u");
    expect(named(both.sink, "open")).toMatchObject([{ states: { u: "fresh" } }]);
    expect(named(both.sink, "missing")).toEqual([{ topic: "t", status: 410 }]);
    await topic.publish("b");
    const { sink } = await open(hub, `topic=t&lastEventId=${position}`);
    expect(sink.messages).toEqual(["b"]);
    expect(named(sink, "gap")).toMatchObject([{ missed: null }]);
  });

  test("stays for as long as it says, and then leaves those who follow others too", async () => {
    const { hub } = notedHub({ log: { maxAgeMs: 50 } });
    const topic = hub.topic<string>("t", { finite: true, ttlMs: 100_000 });
    const other = hub.topic<string>("u");
    await topic.publish("a");
    await topic.end();
    await other.publish("x");
    await until(() => hub.stats().logEntries === 2);
    expect((await open(hub, "topic=t")).sink.messages).toEqual(["a"]);
    const short = hub.topic<string>("v", { finite: true, ttlMs: 1 });
    const { sink, connection } = await open(hub, "topic=v&topic=u");
    await short.end();
    await until(() => named(sink, "ended").length === 1 && hub.stats().topics === 2);
    await other.publish("y");
    await flushed();
    expect(sink.messages).toEqual(["y"]);
    expect(named(sink, "missing")).toEqual([]);
    expect(connection.over).toBe(false);
  });

  test("takes no memory beyond the hub's bound, and its name a bounded one", async () => {
    const { hub } = notedHub({ maxLogBytes: 1_048_576, maxTopics: 1000 });
    for (let i = 0; i < 12_000; i += 1) {
      const topic = hub.topic<string>(`t${i}`, finite);
      void topic.publish("x".repeat(100));
      void topic.end();
    }
    await flushed();
    const { topics, logBytes } = hub.stats();
    expect(logBytes).toBeLessThanOrEqual(1_048_576);
    expect(topics).toBeLessThanOrEqual(1000);
    expect((await hub.fetch(request("topic=t10000"))).status).toBe(410);
    const forgotten = await hub.fetch(request("topic=t0&wire=poll"));
    expect(forgotten.status).toBe(200);
    expect((await open(hub, "topic=t11999")).sink.messages).toEqual(["x".repeat(100)]);
  });
});

describe("a topic that has not begun", () => {
  test("is waited for, and followed from its first message", async () => {
    const { hub } = notedHub(declared());
    const opening = open(hub, "topic=t");
    const topic = hub.topic<string>("t");
    await topic.publish("a");
    const { sink } = await opening;
    await topic.publish("b");
    await topic.end();
    await flushed();
    expect(sink.messages).toEqual(["a", "b"]);
    expect(named(sink, "end")).toMatchObject([{ reason: "gone" }]);
  });

  test("is refused with 404 where the time is short", async () => {
    const { hub } = notedHub(declared({ startTimeoutMs: 1 }));
    await problemOf(await hub.fetch(request("topic=t")), 404, "ERR_TOPIC_UNKNOWN");
  });

  test("is told as missing on a stream that is open, which ends", async () => {
    const { hub } = notedHub(declared({ startTimeoutMs: 2001 }));
    const { sink } = await open(hub, "topic=t");
    expect(named(sink, "open")).toHaveLength(1);
    await until(() => sink.state === "ended");
    expect(named(sink, "missing")).toEqual([{ topic: "t", status: 404 }]);
    expect(named(sink, "end")).toMatchObject([{ reason: "gone", retryMs: null }]);
  });

  test("is told as missing beside others, which go on, and may begin later", async () => {
    const { hub } = notedHub({ topics: (name) => (name === "t" ? { finite: true, startTimeoutMs: 1 } : true) });
    const { sink } = await open(hub, "topic=t&topic=u");
    await until(() => named(sink, "missing").length === 1);
    expect(sink.state).toBe("open");
    await hub.topic<string>("u").publish("x");
    await hub.topic<string>("t").publish("late");
    await flushed();
    expect(sink.messages).toEqual(["x", "late"]);
    await hub.topic<string>("u").delete();
    await hub.topic<string>("t").publish("later");
    await flushed();
    expect(sink.messages).toEqual(["x", "late", "later"]);
    await hub.topic<string>("t").end();
    await flushed();
    expect(named(sink, "end")).toMatchObject([{ reason: "gone" }]);
  });

  test("counts its waiting readers as connections", async () => {
    const { hub } = notedHub({ ...declared({ startTimeoutMs: 1 }), maxConnections: 2 });
    const waiting = [1, 2].map(() => hub.fetch(request("topic=t")));
    await problemOf(await hub.fetch(request("topic=t")), 503, "ERR_LIMIT");
    for (const answer of waiting) expect((await answer).status).toBe(404);
    expect((await hub.fetch(request("topic=t"))).status).toBe(404);
  });

  test("holds a place in no list once its reader has left", async () => {
    const { hub } = notedHub({ ...declared({ startTimeoutMs: 1 }), maxAskedTopics: 1 });
    for (const name of ["a", "b", "c"]) expect((await hub.fetch(request(`topic=${name}`))).status).toBe(404);
  });
});

describe("a deleted topic", () => {
  test("is told to its readers, and its name begins anew", async () => {
    const { hub } = notedHub();
    const topic = hub.topic<string>("t");
    const position = await topic.publish("a");
    const alone = await open(hub, "topic=t&from=oldest");
    const both = await open(hub, "topic=t&topic=u");
    const reading = (async () => {
      for await (const message of topic.messages()) expect(message).toBeUndefined();
    })();
    await topic.delete();
    await expect(reading).rejects.toMatchObject({ code: "ERR_TOPIC_UNKNOWN" });
    expect(named(alone.sink, "missing")).toEqual([{ topic: "t", status: 404 }]);
    expect(named(alone.sink, "end")).toMatchObject([{ reason: "gone" }]);
    expect(named(both.sink, "missing")).toEqual([{ topic: "t", status: 404 }]);
    await topic.publish("b");
    await hub.topic<string>("u").publish("x");
    await flushed();
    expect(both.sink.messages).toEqual(["x"]);
    const again = await open(hub, `topic=t&lastEventId=${position}`);
    expect(again.sink.messages).toEqual(["b"]);
    const beside = await open(hub, "topic=t&topic=u&from=oldest");
    expect(beside.sink.messages).toEqual(["b", "x"]);
    await hub.topic<string>("never").delete();
  });

  test("keeps the requests that wait for its name, as does a restart", async () => {
    const { hub } = notedHub(declared());
    const waiting = open(hub, "topic=t");
    await hub.topic("t").delete();
    await hub.produce("t", () => ["a"], { restart: true });
    await flushed();
    expect((await waiting).sink.messages).toEqual(["a"]);
  });

  test.each([
    ["published", 404, []],
    ["ended", 410, []],
    ["ended beside another", 410, ["x"]],
  ] as const)("is told to a reader whose stream opens after it was %s and deleted", async (what, status, messages) => {
    const { hub } = notedHub(declared());
    const waiting = open(hub, what.includes("another") ? "topic=t&topic=u" : "topic=t");
    await hub.topic<string>("t").publish("a");
    if (status === 410) await hub.topic("t").end();
    await hub.topic("t").delete();
    const { sink } = await waiting;
    if (what.includes("another")) {
      await hub.topic("u").publish("x");
      await hub.topic("u").end();
    }
    await flushed();
    expect(named(sink, "missing")).toEqual([{ topic: "t", status }]);
    expect(sink.messages).toEqual(messages);
    expect(named(sink, "end")).toMatchObject([{ reason: "gone" }]);
  });

  test("leaves a subscriber that lags its other topics", async () => {
    const { hub } = notedHub();
    const [t, u] = [hub.topic<string>("t"), hub.topic<string>("u")];
    const { sink, connection } = await open(hub, "topic=t&topic=u");
    sink.full = true;
    await t.publish("a");
    await flushed();
    await t.publish("b");
    await u.publish("x");
    await t.delete();
    sink.full = false;
    connection.drained();
    await flushed();
    expect(named(sink, "missing")).toEqual([{ topic: "t", status: 404 }]);
    expect(sink.messages).toEqual(["a", "x"]);
    expect(connection.over).toBe(false);
  });
});
