import { describe, expect, test } from "vitest";
import { MemoryBrokers } from "../../../src/brokers/memory/memory-brokers.ts";
import { Enumerator, type CometError, type Hub, type HubOptions, type StreamOutcome } from "../../../src/index.ts";
import { FaultyBroker } from "../../support/faulty-broker.ts";
import { followHub, notedHub, problemOf, request, streams, type Follower, type NotedHub } from "../../support/hub.ts";
import { collect, expectCode, turns, until } from "../../support/sources.ts";

/** A hub in one of several processes, and the network between it and the broker. */
interface SharedHub extends NotedHub {
  readonly broker: FaultyBroker;
}

/** Hubs that share their topics. All of these are finite, unless `options` say otherwise. */
function sharedHubs(count: number, options: HubOptions = { topics: () => ({ finite: true }) }): SharedHub[] {
  const memory = new MemoryBrokers();
  return Array.from({ length: count }, () => {
    const broker = new FaultyBroker(memory.join());
    return { broker, ...notedHub({ ...options, broker }) };
  });
}

/** A source that a test fills. */
class Source {
  calls = 0;
  closed = 0;
  signal: AbortSignal | undefined;
  #push: (text: string) => void = () => undefined;
  #end: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;

  readonly factory = (signal: AbortSignal): Enumerator<string> => {
    this.calls += 1;
    this.signal = signal;
    return Enumerator.unicast<string>((channel) => {
      this.#push = (text) => channel.push(text);
      this.#end = () => channel.end();
      this.#fail = (error) => channel.fail(error);
      return () => void (this.closed += 1);
    });
  };

  push(text: string): void {
    this.#push(text);
  }

  end(): void {
    this.#end();
  }

  fail(error: Error): void {
    this.#fail(error);
  }
}

function itemsOf({ items }: Follower, type: string): unknown[] {
  return items.filter((item) => item.type === type);
}

/** The outcome with which a stream has ended, once it has. */
async function endOf(follower: Follower): Promise<unknown> {
  await follower.ended();
  const [ended] = itemsOf(follower, "ended") as { outcome: string; code?: string }[];
  return ended?.code ?? ended?.outcome;
}

describe("a topic that ends, in several processes", () => {
  test.each(streams)("gives its messages and its end to the readers of all processes on %s", async (wire) => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const query = `topic=t&wire=${wire}&mode=managed`;
    await one.hub.topic<string>("t").publish("a");
    const early = await followHub(other.hub, query);
    await early.has(1);
    await other.hub.topic<string>("t").publish("b");
    const position = await one.hub.topic("t").end({ error: { code: "quota", message: "The quota is used up." } });
    const late = await followHub(other.hub, query);
    for (const follower of [early, late]) {
      await follower.ended();
      expect(follower.data).toEqual(["a", "b"]);
      expect(itemsOf(follower, "ended")).toMatchObject([
        { topic: "t", outcome: "failed", code: "quota", message: "The quota is used up.", position },
      ]);
      expect(follower.end.reason).toBe("gone");
    }
  });

  test("is published to by nobody after its end", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const topic = one.hub.topic<string>("t");
    const position = await topic.publish("a", { messageId: "1" });
    await other.hub.topic("t").end();
    for (const { hub } of [one, other]) {
      await expectCode("ERR_ENDED", () => hub.topic("t").publish("b"));
      await expectCode("ERR_ENDED", () => hub.topic("t").end());
      await expectCode("ERR_ENDED", () => hub.topic<string>("t").publishFrom(["b"]));
      expect(await hub.topic<string>("t").publish("a", { messageId: "1" })).toBe(position);
    }
    expect(await collect(other.hub.topic("t").messages())).toMatchObject([{ data: "a" }]);
  });

  test("is known by processes that have not declared it", async () => {
    const [one, other] = sharedHubs(2, {}) as [SharedHub, SharedHub];
    const topic = one.hub.topic<string>("t", { finite: true });
    await topic.publish("a");
    const reader = await followHub(other.hub, "topic=t&wire=ndjson");
    await reader.has(1);
    await other.hub.stop("t");
    expect(await endOf(reader)).toBe("stopped");
    // A reader that came before anything was published.
    const early = await followHub(other.hub, "topic=later&wire=ndjson");
    await one.hub.topic<string>("later", { finite: true }).publish("a");
    await one.hub.topic("later", { finite: true }).end();
    expect(await endOf(early)).toBe("complete");
    expect(early.data).toEqual(["a"]);
    await expectCode("ERR_ENDED", () => other.hub.topic("later").publish("late"));
  });

  test("expires in every process, and begins anew", async () => {
    const [one, other] = sharedHubs(2, { topics: () => ({ finite: true, ttlMs: 300, startTimeoutMs: 0 }) }) as [
      SharedHub,
      SharedHub,
    ];
    await one.hub.topic("t").publish("a");
    await one.hub.topic("t").end();
    expect(await endOf(await followHub(other.hub, "topic=t&wire=ndjson"))).toBe("complete");
    for (const { hub } of [one, other]) {
      let response = await hub.fetch(request("topic=t&wire=ndjson"));
      while (response.status === 200) {
        await response.text();
        response = await hub.fetch(request("topic=t&wire=ndjson"));
      }
      await problemOf(response, 410, "ERR_TOPIC_EXPIRED");
    }
    await one.hub.topic("u").publish("b");
    const both = await followHub(other.hub, "topic=t&topic=u&wire=ndjson");
    await both.begun();
    await until(() => itemsOf(both, "missing").length === 1);
    expect(itemsOf(both, "missing")).toMatchObject([{ topic: "t", status: 410 }]);
    both.leave();
    await other.hub.topic("t").publish("anew");
    for (const { hub } of [one, other]) {
      const reader = await followHub(hub, "topic=t&wire=ndjson");
      await reader.has(1);
      expect(reader.data).toEqual(["anew"]);
      reader.leave();
    }
  });

  test("is missing for readers of all processes once it is deleted", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    await one.hub.topic("t").publish("a");
    const readers = [
      await followHub(one.hub, "topic=t&wire=ndjson"),
      await followHub(other.hub, "topic=t&wire=ndjson"),
    ];
    for (const reader of readers) await reader.has(1);
    await other.hub.topic("t").delete();
    for (const reader of readers) {
      await reader.ended();
      expect(itemsOf(reader, "missing")).toMatchObject([{ topic: "t", status: 404 }]);
    }
    await one.hub.topic("t").publish("anew");
    expect((await (await followHub(other.hub, "topic=t&wire=ndjson")).has(1)).data).toEqual(["anew"]);
  });

  test("is skipped as a gap where its end is none that a hub could have written", async () => {
    const memory = new MemoryBrokers();
    const { hub, errors } = notedHub({ broker: memory.join(), topics: () => ({ finite: true }) });
    const foreign = memory.join();
    foreign.attach({ lost: () => {}, restored: () => {}, signalled: () => {}, ignored: () => {} });
    const bounds = { maxEntries: 10, maxBytes: 10_000, maxAgeMs: Infinity, ttlMs: 1000 };
    const none = { event: undefined, key: undefined, messageId: undefined };
    const ends = [
      "",
      "1",
      "{}",
      '{"outcome":"done"}',
      '{"outcome":"failed","code":1}',
      '{"outcome":"failed","code":"a\\nb"}',
    ];
    for (const [i, ended] of ends.entries()) {
      await foreign.publish(`t${i}`, { ...none, json: '"a"', bytes: 3 }, bounds);
      const reader = await followHub(hub, `topic=t${i}&topic=other&wire=ndjson`);
      await reader.has(1);
      await foreign.publish(`t${i}`, { ...none, json: "", bytes: 0, ended }, bounds);
      await until(() => errors.length === i + 1);
      expect(errors[i]).toMatchObject({ code: "ERR_MESSAGE" });
      await until(() => itemsOf(reader, "gap").length === 1);
      reader.leave();
    }
  });
});

describe("hub.produce in several processes", () => {
  const short = { leaseMs: 2000 };

  test("runs once, and calls in other processes have its outcome", async () => {
    const hubs = sharedHubs(3);
    const sources = hubs.map(() => new Source());
    const producing = hubs.map(({ hub }, i) => hub.produce("t", (sources[i] as Source).factory));
    await until(() => sources.some(({ calls }) => calls === 1));
    const running = sources.find(({ calls }) => calls === 1) as Source;
    const readers = await Promise.all(hubs.map(({ hub }) => followHub(hub, "topic=t&wire=ndjson")));
    running.push("a");
    for (const reader of readers) await reader.has(1);
    running.end();
    for (const reader of readers) expect(await endOf(reader)).toBe("complete");
    const outcomes = await Promise.all(producing);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["complete", "complete", "complete"]);
    expect(new Set(outcomes.map(({ position }) => position)).size).toBe(1);
    const late = await Promise.all(hubs.map(({ hub }, i) => hub.produce("t", (sources[i] as Source).factory)));
    expect(late).toEqual(outcomes);
    expect(sources.reduce((sum, { calls }) => sum + calls, 0)).toBe(1);
    for (const { errors } of hubs) expect(errors).toEqual([]);
  });

  test("lets readers of other processes wait for a source that has emitted nothing yet", async () => {
    const [one, other] = sharedHubs(2, { topics: () => ({ finite: true, startTimeoutMs: 2500 }) }) as [
      SharedHub,
      SharedHub,
    ];
    const [waiting, source] = [followHub(other.hub, "topic=t&wire=ndjson"), new Source()];
    void one.hub.produce("t", source.factory);
    const reader = await waiting;
    // It would be missing after 2.5 s if its process did not learn that the topic has begun.
    const absent = await followHub(other.hub, "topic=absent&wire=ndjson");
    await until(() => itemsOf(absent, "missing").length === 1);
    expect(itemsOf(reader, "missing")).toEqual([]);
    source.push("a");
    source.end();
    expect(await endOf(reader)).toBe("complete");
    expect(reader.data).toEqual(["a"]);
  });

  test("is stopped from any process, and its signal aborts", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const source = new Source();
    const producing = one.hub.produce("t", source.factory);
    const joining = other.hub.produce("t", source.factory);
    const reader = await followHub(other.hub, "topic=t&wire=ndjson");
    await until(() => source.calls === 1);
    source.push("a");
    await reader.has(1);
    await other.hub.stop("t");
    expect(await endOf(reader)).toBe("stopped");
    for (const { outcome } of await Promise.all([producing, joining])) expect(outcome).toBe("stopped");
    await until(() => source.closed === 1);
    expect([source.signal?.aborted, one.errors, other.errors]).toEqual([true, [], []]);
    await other.hub.stop("t");
    await other.hub.stop("never begun");
  });

  test("begins anew in another process, after the former producer is stopped", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const [first, second] = [new Source(), new Source()];
    const producing = one.hub.produce("t", first.factory);
    await until(() => first.calls === 1);
    const old = await followHub(one.hub, "topic=t&wire=ndjson");
    first.push("old");
    await old.has(1);
    const anew = other.hub.produce("t", second.factory, { restart: true });
    expect(await endOf(old)).toBe("stopped");
    expect((await producing).outcome).toBe("stopped");
    await until(() => second.calls === 1 && first.closed === 1);
    first.push("late");
    const readers = [
      await followHub(one.hub, "topic=t&wire=ndjson"),
      await followHub(other.hub, "topic=t&wire=ndjson"),
    ];
    second.push("new");
    second.end();
    expect((await anew).outcome).toBe("complete");
    for (const reader of readers) {
      expect(await endOf(reader)).toBe("complete");
      expect(reader.data).toEqual(["new"]);
    }
    const third = new Source();
    const again = one.hub.produce("t", third.factory, { restart: true });
    await until(() => third.calls === 1);
    third.end();
    expect((await again).outcome).toBe("complete");
  });

  test.each([
    ["ends", []],
    ["fails", ["ERR_FAILED"]],
    ["emits", ["ERR_PRODUCER_LOST"]],
  ] as const)(
    "is stopped where its source %s after another process has begun the topic anew, and this one does not know yet",
    async (last, reported) => {
      const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
      const [first, second] = [new Source(), new Source()];
      const producing = one.hub.produce("t", first.factory);
      await until(() => first.calls === 1);
      first.push("old");
      let open: () => void = () => undefined;
      one.broker.gate = new Promise<void>((resolve) => (open = resolve));
      one.broker.loses = Infinity;
      const anew = other.hub.produce("t", second.factory, { restart: true });
      await until(() => second.calls === 1);
      if (last === "ends") first.end();
      else if (last === "fails") first.fail(new Error("The source has failed."));
      else first.push("late");
      await turns(20);
      open();
      expect((await producing).outcome).toBe("stopped");
      second.end();
      expect((await anew).outcome).toBe("complete");
      expect(one.errors.map((error) => (error as CometError).code)).toEqual(reported);
    },
  );

  test("fails for readers of other processes when its process is cut off, and nothing of it is published later", async () => {
    const [one, other, third] = sharedHubs(3) as [SharedHub, SharedHub, SharedHub];
    const source = new Source();
    const producing = one.hub.produce("t", source.factory, short);
    await until(() => source.calls === 1);
    const joining = third.hub.produce("t", source.factory);
    const reader = await followHub(other.hub, "topic=t&wire=ndjson");
    source.push("a");
    await reader.has(1);
    one.broker.cut();
    expect(await endOf(reader)).toBe("ERR_PRODUCER_LOST");
    expect(await joining).toMatchObject({ outcome: "failed", code: "ERR_PRODUCER_LOST" });
    expect(await producing).toMatchObject({ outcome: "failed", code: "ERR_PRODUCER_LOST" });
    await until(() => source.closed === 1);
    expect(source.signal?.aborted).toBe(true);
    expect(one.errors).toContainEqual(expect.objectContaining({ code: "ERR_PRODUCER_LOST" }));
    one.broker.restore();
    source.push("late");
    const again = await followHub(one.hub, "topic=t&wire=ndjson");
    expect(await endOf(again)).toBe("ERR_PRODUCER_LOST");
    expect(again.data).toEqual(["a"]);
  });

  test("fails after a message that the broker did not publish, and nothing that was sent after it is published", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const source = new Source();
    one.broker.refuses = ({ json }) => json === '"c"';
    const producing = one.hub.produce("t", source.factory);
    await until(() => source.calls === 1);
    const reader = await followHub(other.hub, "topic=t&wire=ndjson");
    // All are sent before the first answer.
    for (const text of ["a", "b", "c", "d", "e"]) source.push(text);
    expect(await endOf(reader)).toBe("ERR_FAILED");
    expect(reader.data).toEqual(["a", "b"]);
    expect(await producing).toMatchObject({ outcome: "failed", code: "ERR_FAILED" });
    expect(one.errors).toMatchObject([{ code: "ERR_FAILED", cause: { code: "ERR_BROKER" } }]);
    await until(() => source.closed === 1);
    const late = await followHub(one.hub, "topic=t&wire=ndjson");
    expect(await endOf(late)).toBe("ERR_FAILED");
    expect(late.data).toEqual(["a", "b"]);
  });

  test("keeps its lease while its source is silent for longer", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const [silent, lost] = [new Source(), new Source()];
    const producing = one.hub.produce("silent", silent.factory, short);
    // The end of another lease, which is not renewed, shows that the time is over.
    const abandoned = other.hub.produce("lost", lost.factory, short);
    await until(() => silent.calls === 1 && lost.calls === 1);
    const readers = await Promise.all(
      ["silent", "lost"].map((name) => followHub(one.hub, `topic=${name}&wire=ndjson`)),
    );
    other.broker.cut();
    expect(await endOf(readers[1] as Follower)).toBe("ERR_PRODUCER_LOST");
    await abandoned;
    silent.push("a");
    silent.end();
    expect((await producing).outcome).toBe("complete");
    expect(await endOf(readers[0] as Follower)).toBe("complete");
  });

  test("ends a topic whose producer was lost while nobody followed it, for the first who does", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const source = new Source();
    const producing = one.hub.produce("t", source.factory, short);
    await until(() => source.calls === 1);
    one.broker.cut();
    expect(await producing).toMatchObject({ code: "ERR_PRODUCER_LOST" });
    const reader = await followHub(other.hub, "topic=t&wire=ndjson");
    expect(await endOf(reader)).toBe("ERR_PRODUCER_LOST");
    expect(await other.hub.produce("t", source.factory)).toMatchObject({ code: "ERR_PRODUCER_LOST" });
    expect(source.calls).toBe(1);
  });

  test("fails where the broker cannot be reached, and says so", async () => {
    const [one] = sharedHubs(1) as [SharedHub];
    const source = new Source();
    one.broker.cut();
    expect(await one.hub.produce("t", source.factory)).toMatchObject({ outcome: "failed" });
    expect(source.calls).toBe(0);
    expect(one.errors.at(-1)).toMatchObject({ code: "ERR_FAILED", cause: { code: "ERR_BROKER" } });
    await expectCode("ERR_BROKER", () => one.hub.stop("t"));
  });

  test("ends as lost when its hub closes, and calls that joined it in a hub that closes are settled", async () => {
    const [one, other, third] = sharedHubs(3) as [SharedHub, SharedHub, SharedHub];
    const source = new Source();
    const producing = one.hub.produce("t", source.factory);
    await until(() => source.calls === 1);
    const [joining, leaving] = [other.hub.produce("t", source.factory), third.hub.produce("t", source.factory)];
    const reader = await followHub(other.hub, "topic=t&wire=ndjson");
    source.push("a");
    await reader.has(1);
    await third.hub.close({ drainMs: 0 });
    const lost = { outcome: "failed", code: "ERR_PRODUCER_LOST" } satisfies Partial<StreamOutcome>;
    expect(await leaving).toMatchObject(lost);
    await one.hub.close({ drainMs: 0 });
    expect(await endOf(reader)).toBe("ERR_PRODUCER_LOST");
    expect(await Promise.all([producing, joining])).toMatchObject([lost, lost]);
  });

  test("stops a producer that was asked to stop before it had its lease", async () => {
    const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
    const source = new Source();
    const producing = one.hub.produce("t", source.factory);
    void one.hub.stop("t");
    expect((await producing).outcome).toBe("stopped");
    expect(source.calls).toBe(0);
    expect(await endOf(await followHub(other.hub, "topic=t&wire=ndjson"))).toBe("stopped");
  });

  test("resumes over processes: every reader ends with exactly the stream", async () => {
    const hubs = sharedHubs(3);
    const producing = (hubs[0] as SharedHub).hub.produce("t", async function* () {
      for (let i = 0; i < 500; i += 1) {
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        yield i;
      }
    });
    const read = async (start: number): Promise<unknown[]> => {
      const data: unknown[] = [];
      let position = "";
      for (let turn = start; ; turn += 1) {
        const { hub } = hubs[turn % 3] as { hub: Hub };
        const reader = await followHub(hub, `topic=t&wire=ndjson${position}`);
        await until(() => reader.over || reader.data.length > 40);
        reader.leave();
        data.push(...reader.data);
        if (itemsOf(reader, "ended").length > 0) return data;
        const last = reader.items.findLast((item) => item.type === "message") as { id?: string } | undefined;
        if (last?.id !== undefined) position = `&lastEventId=${encodeURIComponent(last.id)}`;
      }
    };
    const expected = Array.from({ length: 500 }, (_, i) => i);
    for (const data of await Promise.all([read(0), read(1), read(2)])) expect(data).toEqual(expected);
    expect((await producing).outcome).toBe("complete");
  });
});

test("a hub waits for hundreds of topics without a producer at once", async () => {
  const [one, other] = sharedHubs(2) as [SharedHub, SharedHub];
  // Reads that take their time wait for one another.
  Object.defineProperty(other.broker, "gate", { get: () => new Promise((resolve) => setTimeout(resolve, 5)) });
  const names = Array.from({ length: 200 }, (_, i) => `t${i}`);
  const sources = names.map(() => new Source());
  const producing = names.map((name, i) => one.hub.produce(name, (sources[i] as Source).factory, { leaseMs: 1000 }));
  const readers = names.map((name) => collect(other.hub.topic(name).messages()).catch((error: unknown) => error));
  await until(() => sources.every(({ calls }) => calls === 1));
  one.broker.cut();
  for (const outcome of await Promise.all(producing)) expect(outcome.code).toBe("ERR_PRODUCER_LOST");
  for (const error of await Promise.all(readers)) {
    expect((error as Error).message).toContain("ERR_PRODUCER_LOST");
  }
});

test("a reader whose topic is deleted while the broker is read waits for the next one of its name", async () => {
  const [one] = sharedHubs(1) as [SharedHub];
  await one.hub.topic("t").publish("old");
  const before = await followHub(one.hub, "topic=t&wire=ndjson");
  await before.has(1);
  before.leave();
  let go: () => void = () => undefined;
  one.broker.gate = new Promise<void>((resolve) => (go = resolve));
  const { reads } = one.broker;
  // The hub reads the broker because it does not know the position.
  const follow = (): Promise<Follower> => followHub(one.hub, "topic=t&wire=ndjson&lastEventId=t%3Dunknown.1");
  const first = follow();
  await until(() => one.broker.reads === reads + 1);
  // The second one waits for another read, which never begins.
  const second = follow();
  await turns(5);
  await one.hub.topic("t").delete();
  go();
  await one.hub.topic("t").publish("new");
  for (const reader of await Promise.all([first, second])) {
    await reader.has(1);
    expect(reader.data).toEqual(["new"]);
    reader.leave();
  }
});
