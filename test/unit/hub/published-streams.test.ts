import { describe, expect, test } from "vitest";
import { MemoryBrokers } from "../../../src/brokers/memory/memory-brokers.ts";
import { Enumerator, Hub } from "../../../src/index.ts";
import { open, type FakeSink } from "../../support/fake-sink.ts";
import { withoutFinite } from "../../support/faulty-broker.ts";
import { followHub, notedHub, request, streams } from "../../support/hub.ts";
import { collect, errorOf, expectCode, until } from "../../support/sources.ts";

const finite = { finite: true } as const;
const ended = (sink: FakeSink): unknown[] => sink.lines.filter((line) => "ended" in line).map((line) => line["ended"]);

async function* waiting(signal: AbortSignal, ...first: string[]): AsyncGenerator<string> {
  yield* first;
  await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
}

describe("topic.publishFrom", () => {
  test.each(streams)("gives every reader on %s the whole stream and its end, early and late", async (wire) => {
    const { hub } = notedHub();
    const topic = hub.topic<string>("t", finite);
    const early = followHub(hub, `topic=t&wire=${wire}`);
    await topic.publishFrom(Enumerator.of("a", "b", "c"));
    for (const follower of [await early, await followHub(hub, `topic=t&wire=${wire}`)]) {
      await follower.ended();
      expect(follower.data).toEqual(["a", "b", "c"]);
      expect(follower.end.reason).toBe("gone");
    }
  });

  test("gives readers that wait for the beginning all of a source that never waits", async () => {
    const { hub } = notedHub({ topics: () => ({ finite: true, log: { maxEntries: 64 } }), flushSliceMs: 60_000 });
    const waiting = followHub(hub, "topic=t&wire=ndjson");
    const elements = Array.from({ length: 1000 }, (_, i) => i);
    await Promise.all([hub.topic<number>("t").publishFrom(elements), waiting]);
    expect((await (await waiting).ended()).data).toEqual(elements);
  });

  test("closes the source unread if it is stopped while readers connect", async () => {
    const { hub } = notedHub({ topics: () => ({ finite: true }) });
    const waiting = followHub(hub, "topic=t&wire=ndjson");
    const abort = new AbortController();
    let cancelled = 0;
    const stream = new ReadableStream<string>({ cancel: () => void (cancelled += 1) });
    const publishing = hub.topic<string>("t").publishFrom(stream, { signal: abort.signal });
    abort.abort();
    expect((await publishing).outcome).toBe("stopped");
    await (await waiting).ended();
    expect([cancelled, (await waiting).data]).toEqual([1, []]);
  });

  test("applies the topic's encoder", async () => {
    const { hub } = notedHub();
    const dates = hub.topic("t", { encoder: (date: Date) => date.getTime(), ...finite });
    await dates.publishFrom([new Date(1), new Date(2)]);
    expect((await collect(dates.messages({ from: "oldest" }))).map(({ data }) => data)).toEqual([1, 2]);
  });

  test("is stopped by topic.end and topic.delete", async () => {
    const { hub } = notedHub();
    const [one, other] = [hub.topic<string>("1", finite), hub.topic<string>("2", finite)];
    const running = [one, other].map((topic) => topic.publishFrom(Enumerator.never<string>()));
    const position = await one.end();
    await other.delete();
    expect(await Promise.all(running)).toMatchObject([{ outcome: "complete", position }, { outcome: "stopped" }]);
  });

  test("keeps its topic whole while others take the place of idle topics", async () => {
    const { hub } = notedHub({ maxTopics: 2 });
    let push: (text: string) => void = () => undefined;
    const source = Enumerator.unicast<string>((channel) => {
      push = (text) => {
        if (text === "") channel.end();
        else channel.push(text);
      };
    });
    const running = hub.topic<string>("t", finite).publishFrom(source);
    push("a");
    for (const name of ["x", "y", "z"]) await hub.topic(name).publish("x");
    push("b");
    push("");
    await running;
    const messages = await collect(hub.topic<string>("t").messages({ from: "oldest" }));
    expect(messages.map(({ data }) => data)).toEqual(["a", "b"]);
  });

  test("rejects with ERR_OPTION, and closes the source, if the topic has messages as an endless one", async () => {
    const { hub } = notedHub();
    await hub.topic("t").publish("a");
    let closed = 0;
    const stream = new ReadableStream<string>({ cancel: () => void (closed += 1) });
    await expectCode("ERR_OPTION", () => hub.topic<string>("t", finite).publishFrom(stream));
    expect(closed).toBe(1);
  });

  test("publishes to an endless topic of a broker", async () => {
    const { hub } = notedHub({ broker: new MemoryBrokers().join() });
    const outcome = await hub.topic<number>("t").publishFrom([1, 2, 3]);
    expect(outcome).toMatchObject({ outcome: "complete", position: /\.3$/.exec(outcome.position ?? "")?.input });
    expect(hub.stats().broker?.replicas).toBe(0);
    const follower = await (await followHub(hub, "topic=t&from=oldest")).has(3);
    expect(follower.data).toEqual([1, 2, 3]);
    expect(await hub.topic<number>("t").publishFrom([])).toEqual({ outcome: "complete", position: undefined });
  });
});

describe("hub.produce", () => {
  test("begins the topic before its first element, so that readers wait on", async () => {
    const { hub } = notedHub({ topics: () => ({ finite: true, startTimeoutMs: 0 }) });
    expect((await hub.fetch(request("topic=t"))).status).toBe(404);
    void hub.produce("t", (signal) => waiting(signal));
    expect((await hub.fetch(request("topic=t"))).status).toBe(200);
    await hub.stop("t");
  });

  test("never calls the factory if it is stopped while readers connect", async () => {
    const { hub } = notedHub({ topics: () => ({ finite: true }) });
    const waiting = followHub(hub, "topic=t&wire=ndjson");
    let calls = 0;
    const producing = hub.produce("t", () => [String((calls += 1))]);
    await hub.stop("t");
    expect((await producing).outcome).toBe("stopped");
    await (await waiting).ended();
    expect([calls, (await waiting).data]).toEqual([0, []]);
  });

  test("makes a topic finite that the hub's topics leave open, and no other", async () => {
    const { hub } = notedHub({ topics: (name) => (name === "endless" ? {} : name !== "unknown") });
    expect(await hub.produce("t", () => ["a"], { ttlMs: 60_000 })).toMatchObject({ outcome: "complete" });
    await expectCode("ERR_ENDED", () => hub.topic("t").publish("b"));
    await expectCode("ERR_OPTION", () => hub.produce("endless", () => ["a"]));
    await expectCode("ERR_OPTION", () => hub.produce("t2", () => ["a"], { ttlMs: 0 }));
    await expectCode("ERR_TOPIC_UNKNOWN", () => hub.produce("unknown", () => ["a"]));
    await expectCode("ERR_TOPIC_UNKNOWN", () => hub.stop("unknown"));
    await expectCode("ERR_TOPIC", () => hub.stop(""));
    await hub.topic("written").publish("a");
    await expectCode("ERR_OPTION", () => hub.produce("written", () => ["a"]), /endless/);
    await hub.stop("endless");
  });

  test("restarts in another epoch: readers of the former have its end, and its positions are unknown", async () => {
    const { hub } = notedHub();
    const first = hub.produce("t", (signal) => waiting(signal, "a"));
    const { sink } = await open(hub, "topic=t");
    await until(() => sink.messages.length === 1);
    const second = hub.produce("t", () => ["b"], { restart: true });
    const [former, latter] = await Promise.all([first, second]);
    expect(ended(sink)).toMatchObject([{ outcome: "stopped", position: former.position }]);
    expect(sink.messages).toEqual(["a"]);
    const late = await open(hub, "topic=t");
    await until(() => late.sink.state === "ended");
    expect(late.sink.messages).toEqual(["b"]);
    expect(latter.position?.replace(/\d+$/, "")).not.toBe(former.position?.replace(/\d+$/, ""));
  });

  test("is refused with a broker that does not keep topics that end, and after close was called", async () => {
    const { hub } = notedHub({ broker: withoutFinite(new MemoryBrokers().join()) });
    await expectCode("ERR_BROKER_CONFIG", () => hub.produce("t", () => ["a"]));
    const alone = new Hub();
    const closing = alone.close({ drainMs: 0 });
    await expectCode("ERR_CLOSED", () => alone.produce("t", () => ["a"]));
    await closing;
  });
});

describe("hub.close", () => {
  test("lets sources go on during the drain, and closes them before publishing ends", async () => {
    let finish: () => void = () => undefined;
    const { hub, errors } = notedHub({ onClose: () => finish() });
    const finishing = hub.produce("1", () =>
      Enumerator.unicast<string>((channel) => {
        finish = () => {
          channel.push("during the drain");
          channel.end();
        };
      }),
    );
    let closed = 0;
    const stream = (): ReadableStream<string> => new ReadableStream({ cancel: () => void (closed += 1) });
    let signal: AbortSignal | undefined;
    const unfinished = hub.produce("2", (given) => {
      signal = given;
      return stream();
    });
    const endless = errorOf(() => hub.topic<string>("3").publishFrom(stream()));
    await (await followHub(hub, "topic=2")).begun();
    await hub.close({ drainMs: 0 });
    expect((await finishing).outcome).toBe("complete");
    expect(await unfinished).toMatchObject({ outcome: "failed", code: "ERR_PRODUCER_LOST" });
    expect(await endless).toMatchObject({ code: "ERR_CLOSED" });
    expect([signal?.aborted, closed, errors]).toEqual([true, 2, []]);
  });
});
