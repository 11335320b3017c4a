import { createHook } from "node:async_hooks";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { CometError } from "../../../../src/core/errors.ts";
import type { StreamOutcome } from "../../../../src/hub/published-streams.ts";
import { Enumeratee, Enumerator } from "../../../../src/index.ts";
import type { Source } from "../../../../src/stream/sources/from.ts";
import { FakeSink, flushed, turn } from "../../../support/fake-sink.ts";
import { errorOf, expectCode, Probe, turns, until } from "../../../support/sources.ts";
import { SourceWorld } from "../../../support/source-world.ts";
import { virtualTime } from "../../../support/virtual-time.ts";

/** Publishes a source into a topic that is finite if its name begins with `f`. */
function publishFrom(world: SourceWorld, name: string, source: unknown, signal?: AbortSignal): Promise<StreamOutcome> {
  const options = signal === undefined ? {} : { signal };
  return world.sources.publishFrom(world.topic(name), source as Source<unknown>, options);
}

/** An async generator that never waits. */
async function* atHand(count: number, onClosed: () => void = () => undefined): AsyncGenerator<number> {
  try {
    for (let i = 0; i < count; i += 1) yield await Promise.resolve(i);
  } finally {
    onClosed();
  }
}

/** An iterator whose calls a test answers, and that counts them. */
class Scripted implements AsyncIterable<unknown> {
  pulls = 0;
  returns = 0;
  answer: (value: unknown) => void = () => undefined;
  fail: (error: unknown) => void = () => undefined;
  finish: () => void = () => undefined;
  /** What `return` does. */
  onReturn: () => Promise<IteratorResult<unknown>> = () => Promise.resolve({ done: true, value: undefined });

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return {
      next: () => {
        this.pulls += 1;
        return new Promise((resolve, reject) => {
          this.answer = (value) => resolve({ done: false, value });
          this.finish = () => resolve({ done: true, value: undefined });
          this.fail = reject;
        });
      },
      return: () => {
        this.returns += 1;
        return this.onReturn();
      },
    };
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const never = (): Promise<never> => new Promise(() => undefined);
const endsOf = (sink: FakeSink): unknown[] => sink.lines.flatMap((line) => ("ended" in line ? [line["ended"]] : []));

describe("publishing a source", () => {
  test.each([
    ["an Enumerator", () => Enumerator.of("a", "b", "c")],
    [
      "an Enumerator through an adapter",
      () => Enumerator.of("A", "B", "C").through(Enumeratee.map((s: string) => s.toLowerCase())),
    ],
    ["an array", () => ["a", "b", "c"]],
    [
      "a generator",
      function* () {
        yield* ["a", "b", "c"];
      },
    ],
    [
      "an async generator",
      async function* () {
        for (const s of ["a", "b", "c"]) {
          await turn();
          yield s;
        }
      },
    ],
    [
      "a ReadableStream",
      () =>
        new ReadableStream({
          start(c) {
            for (const s of ["a", "b", "c"]) c.enqueue(s);
            c.close();
          },
        }),
    ],
    ["a Readable of Node", () => Readable.from(["a", "b", "c"])],
  ])("publishes %s in order, and then ends a finite topic as complete", async (_, make) => {
    const world = new SourceWorld();
    const sink = await world.open("f");
    const outcome = await publishFrom(world, "f", make());
    await flushed();
    expect(sink.messages).toEqual(["a", "b", "c"]);
    expect(endsOf(sink)).toMatchObject([{ topic: "f", outcome: "complete" }]);
    expect(outcome).toEqual({ outcome: "complete", position: world.endOf("f")?.position });
    expect(world.errors).toEqual([]);
  });

  test("leaves an endless topic open, and resolves to the position after the last message", async () => {
    const world = new SourceWorld();
    const first = await publishFrom(world, "t", ["a", "b"]);
    const second = await publishFrom(world, "t", ["c"]);
    expect([first, second]).toMatchObject([
      { outcome: "complete", position: /\.2$/.exec(first.position ?? "")?.input },
      { outcome: "complete", position: /\.3$/.exec(second.position ?? "")?.input },
    ]);
    expect(world.ended).toEqual([]);
  });

  test("resolves to the topic's position for an empty source", async () => {
    const world = new SourceWorld();
    const { position } = await publishFrom(world, "t", ["a"]);
    expect(await publishFrom(world, "t", [])).toEqual({ outcome: "complete", position });
    const finite = await publishFrom(world, "f", []);
    expect(finite).toEqual({ outcome: "complete", position: world.endOf("f")?.position });
  });

  test("encodes each element at once, with the topic's encoder", async () => {
    const world = new SourceWorld();
    const sink = await world.open("t");
    const element = { at: new Date(0) };
    const elements = (function* () {
      yield element;
      element.at = new Date(1);
    })();
    await world.sources.publishFrom(world.topic("t"), elements, {}, (one) => (one as typeof element).at.getTime());
    await flushed();
    expect(sink.messages).toEqual([0]);
  });

  test("sends 10,000 elements that are ready in a few writes, without a promise for each", async () => {
    const world = new SourceWorld({ flushSliceMs: 600_000, log: { maxEntries: 20_000 } });
    const sink = await world.open("f");
    const before = sink.pieces.length;
    let promises = 0;
    const hook = createHook({ init: (_, type) => void (promises += type === "PROMISE" ? 1 : 0) }).enable();
    await publishFrom(world, "f", numbers(10_000));
    hook.disable();
    expect(promises).toBeLessThan(50);
    await until(() => endsOf(sink).length > 0);
    expect(sink.messages).toEqual(numbers(10_000));
    expect(sink.pieces.length - before).toBeLessThan(20);
  });

  test("sends what an async generator has ready in one turn in one write, with the end", async () => {
    const world = new SourceWorld({ flushSliceMs: 600_000 });
    const sink = await world.open("f");
    const before = sink.pieces.length;
    await publishFrom(world, "f", atHand(100));
    await flushed();
    expect(sink.messages).toHaveLength(100);
    // The stream's own end may have a write of its own.
    expect(sink.pieces[before]).toContain('"outcome":"complete"');
  });
});

describe("the event loop", () => {
  test("goes on beside sources that never wait, and each of them progresses", async () => {
    const world = new SourceWorld({ flushSliceMs: 1 });
    const abort = new AbortController();
    const counts = [0, 0, 0];
    const sources = counts.map((_, i) => Enumerator.repeat(() => (counts[i] as number)++));
    const running = sources.map((source, i) => publishFrom(world, `t${i}`, source, abort.signal));
    for (let passes = 0; passes < 3; passes += 1) {
      const before = [...counts];
      await until(() => counts.every((count, i) => count > (before[i] as number)));
    }
    abort.abort();
    expect((await Promise.all(running)).map(({ outcome }) => outcome)).toEqual(["stopped", "stopped", "stopped"]);
    const after = [...counts];
    await turns(3);
    expect(counts).toEqual(after);
  });

  test("goes on beside an async generator that never waits", async () => {
    const world = new SourceWorld({ flushSliceMs: 1 });
    const abort = new AbortController();
    let isClosed = false;
    const source = atHand(Infinity, () => (isClosed = true));
    const running = publishFrom(world, "f", source, abort.signal);
    await turns(3);
    abort.abort();
    expect((await running).outcome).toBe("stopped");
    await until(() => isClosed);
  });
});

describe("pacing", () => {
  test("waits while half of the log is unsent to a subscriber that reads", async () => {
    const world = new SourceWorld({ flushSliceMs: 600_000, log: { maxEntries: 64 } });
    const sink = await world.open("t");
    const source = new Probe(numbers(1000));
    await publishFrom(world, "t", source);
    await flushed();
    expect(sink.messages).toEqual(numbers(1000));
    expect(world.pauses).toBeGreaterThan(10);
  });

  test("waits neither without subscribers nor for one that has taken nothing for a second", async () => {
    const time = virtualTime();
    const world = new SourceWorld({ flushSliceMs: 600_000, log: { maxEntries: 64 } });
    await publishFrom(world, "t", numbers(1000));
    expect(world.pauses).toBe(0);
    const stalled = new FakeSink();
    stalled.full = true;
    await world.open("t", stalled);
    await turns(3);
    time.standStill(1100);
    const start = performance.now();
    await publishFrom(world, "t", numbers(1000));
    expect(performance.now() - start).toBeLessThan(100);
  });
});

describe("a source that fails", () => {
  test("rejects with its own error, and tells readers nothing of it", async () => {
    const world = new SourceWorld();
    const sink = await world.open("f");
    const error = new Error("password=hunter2");
    const source = new Probe(["a"], { error });
    expect(await errorOf(() => publishFrom(world, "f", source))).toBe(error);
    await flushed();
    expect(sink.messages).toEqual(["a"]);
    expect(endsOf(sink)).toMatchObject([
      { outcome: "failed", code: "ERR_FAILED", message: "The source of this topic has failed." },
    ]);
    expect(sink.text).not.toContain("hunter2");
    expect([source.returned, world.errors]).toEqual([0, []]);
  });

  test("may fail with undefined", async () => {
    const world = new SourceWorld();
    await expect(publishFrom(world, "f", Enumerator.fail(undefined))).rejects.toBe(undefined);
    expect(world.endOf("f")?.outcome).toBe("failed");
  });

  test("does not end an endless topic", async () => {
    const world = new SourceWorld();
    await expect(publishFrom(world, "t", Enumerator.fail(new Error("e")))).rejects.toThrow("e");
    expect(world.ended).toEqual([]);
  });

  test("fails the topic if it is opened a second time, or its clean-up fails after its end", async () => {
    const world = new SourceWorld();
    const stream = new ReadableStream();
    stream.getReader();
    await expectCode("ERR_SOURCE_USED", () => publishFrom(world, "f1", stream));
    const source = Enumerator.of("a").through(
      Enumeratee.onDone(() => {
        throw new Error("clean-up");
      }),
    );
    expect(await errorOf(() => publishFrom(world, "f2", source))).toMatchObject({ message: "clean-up" });
    expect(["f1", "f2"].map((name) => world.endOf(name)?.outcome)).toEqual(["failed", "failed"]);
  });

  test("is rejected at once if it is no source", () => {
    const world = new SourceWorld();
    for (const bad of [undefined, null, 7, {}, () => undefined]) {
      expect(() => void publishFrom(world, "f", bad)).toThrow(expect.objectContaining({ code: "ERR_SOURCE" }));
    }
    const signal = {} as AbortSignal;
    expect(() => void publishFrom(world, "f", [], signal)).toThrow(expect.objectContaining({ code: "ERR_OPTION" }));
    expect(world.ended).toEqual([]);
  });
});

describe("a message that cannot be published", () => {
  test.each([
    ["ERR_ENCODER", new Date()],
    ["ERR_MESSAGE", "x".repeat(200)],
  ] as const)("closes the source once, and rejects with %s", async (code, element) => {
    const world = new SourceWorld({ maxMessageBytes: 100 });
    const source = new Probe<unknown>(["a", element, "b"]);
    await expectCode(code, () => publishFrom(world, "f", source));
    expect([source.pulled, source.returned, world.holds]).toEqual([2, 1, 0]);
    expect(world.endOf("f")).toMatchObject({ outcome: "failed", code: "ERR_FAILED" });
  });

  test("closes the source once after the hub's close, and rejects with ERR_CLOSED", async () => {
    const world = new SourceWorld();
    const source = new Scripted();
    const running = publishFrom(world, "f", source);
    world.publisher.close();
    source.answer("a");
    await expectCode("ERR_CLOSED", () => running);
    expect(source.returns).toBe(1);
  });

  test("closes the source unread if the topic had ended before, and rejects with ERR_ENDED", async () => {
    const world = new SourceWorld();
    await world.end("f", { outcome: "complete" });
    const source = new Probe(["a"]);
    await expectCode("ERR_ENDED", () => publishFrom(world, "f", source));
    expect([source.pulled, source.returned]).toEqual([0, 1]);
    let isCancelled = false;
    const stream = new ReadableStream({ cancel: () => void (isCancelled = true) });
    await expectCode("ERR_ENDED", () => publishFrom(world, "f", stream));
    expect(isCancelled).toBe(true);
  });

  test("rejects with the error of an end that cannot be published", async () => {
    const world = new SourceWorld();
    world.endFailure = new CometError("ERR_BROKER", "away");
    await expectCode("ERR_BROKER", () => publishFrom(world, "f", ["a"]));
    const error = new Error("first");
    expect(await errorOf(() => publishFrom(world, "f2", Enumerator.fail(error)))).toBe(error);
    expect(world.errors).toEqual([world.endFailure]);
  });
});

describe("an abort of the signal", () => {
  test("closes a waiting source once, and ends a finite topic as stopped", async () => {
    const world = new SourceWorld();
    const source = new Scripted();
    const abort = new AbortController();
    const running = publishFrom(world, "f", source, abort.signal);
    source.answer("a");
    await until(() => source.pulls === 2);
    abort.abort();
    expect(await running).toEqual({ outcome: "stopped", position: world.endOf("f")?.position });
    expect(source.returns).toBe(1);
    source.answer("too late");
    await turns();
    expect(world.topics.live("f")?.log.head).toBe(2);
  });

  test("leaves an endless topic open", async () => {
    const world = new SourceWorld();
    const abort = new AbortController();
    const source = new Scripted();
    const running = publishFrom(world, "t", source, abort.signal);
    source.answer("a");
    await until(() => source.pulls === 2);
    abort.abort();
    expect((await running).outcome).toBe("stopped");
    expect([source.returns, world.ended]).toEqual([1, []]);
  });

  test.each([
    [
      "an async iterable",
      () => new Probe(["a"]),
      (source: unknown) => [(source as Probe<string>).pulled, (source as Probe<string>).returned],
      [0, 1],
    ],
    ["a Node stream", () => Readable.from(["a"]), (source: unknown) => (source as Readable).destroyed, true],
  ])("that came before closes %s unread", async (_, make, look, expected) => {
    const world = new SourceWorld();
    const source = make();
    expect((await publishFrom(world, "f", source, AbortSignal.abort())).outcome).toBe("stopped");
    expect(look(source)).toEqual(expected);
    expect(world.endOf("f")?.outcome).toBe("stopped");
  });

  test("stops a source that ignores it, even if its return never settles", async () => {
    const world = new SourceWorld();
    const abort = new AbortController();
    const source = new Scripted();
    source.onReturn = never;
    const running = publishFrom(world, "f", source, abort.signal);
    abort.abort();
    expect((await running).outcome).toBe("stopped");
    expect(source.returns).toBe(1);
  });

  test.each([
    ["rejects", (): Promise<never> => Promise.reject(new Error("clean-up"))],
    [
      "throws",
      (): never => {
        throw new Error("clean-up");
      },
    ],
  ])("reports a return that %s to onError", async (_, onReturn) => {
    const world = new SourceWorld();
    const abort = new AbortController();
    const source = new Scripted();
    source.onReturn = onReturn;
    const running = publishFrom(world, "f", source, abort.signal);
    abort.abort();
    expect((await running).outcome).toBe("stopped");
    await until(() => world.errors.length > 0);
    expect(world.errors).toMatchObject([{ message: "clean-up" }]);
  });

  test.each(["end", "fail"] as const)("is a stop if it makes the source %s before the hub knows", async (way) => {
    const world = new SourceWorld();
    const abort = new AbortController();
    let finish: () => void = () => undefined;
    // The application's listener is the first.
    abort.signal.addEventListener("abort", () => finish());
    const source = Enumerator.unicast<string>((channel) => {
      finish = () => (way === "end" ? channel.end() : channel.fail(new Error("aborted")));
    });
    const running = publishFrom(world, "f", source, abort.signal);
    abort.abort();
    expect((await running).outcome).toBe("stopped");
    await turns();
    expect([world.endOf("f")?.outcome, world.errors]).toEqual(["stopped", []]);
  });

  test("is no failure if the source's wait rejects because of it", async () => {
    const world = new SourceWorld();
    const abort = new AbortController();
    const source = (async function* () {
      await new Promise((_, reject) => abort.signal.addEventListener("abort", () => reject(new Error("aborted"))));
      yield "never";
    })();
    const running = publishFrom(world, "f", source, abort.signal);
    abort.abort();
    expect((await running).outcome).toBe("stopped");
    await turns();
    expect(world.errors).toEqual([]);
  });

  test("from inside the source's own poll closes it once", async () => {
    const world = new SourceWorld();
    const abort = new AbortController();
    let closed = 0;
    const source = (function* () {
      try {
        yield "a";
        abort.abort();
        yield "b";
      } finally {
        closed += 1;
      }
    })();
    expect((await publishFrom(world, "f", source, abort.signal)).outcome).toBe("stopped");
    await turns();
    expect([closed, world.topics.live("f")?.log.head]).toEqual([1, 2]);
  });

  test("leaves no listener behind", async () => {
    const world = new SourceWorld();
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    await publishFrom(world, "f1", ["a"], signal);
    await errorOf(() => publishFrom(world, "f2", Enumerator.fail(new Error("e")), signal));
    expect(listeners).toBe(0);
    expect(world.holds).toBe(0);
  });
});

describe("a topic that other code ends meanwhile", () => {
  test.each([
    { outcome: "stopped" },
    { outcome: "complete" },
    { outcome: "failed", code: "MY_CODE", message: "Mine." },
  ] as const)("closes the waiting source, and resolves to %o", async (end) => {
    const world = new SourceWorld();
    const source = new Scripted();
    const running = publishFrom(world, "f", source);
    const position = await world.end("f", end);
    expect(await running).toEqual({ ...end, position });
    expect(source.returns).toBe(1);
  });

  test("stops a source that finds out by its next element", async () => {
    const world = new SourceWorld();
    const source = new Scripted();
    const running = publishFrom(world, "f", source);
    const ending = world.end("f", { outcome: "stopped" });
    // The element comes before the flush that notifies the source.
    source.answer("a");
    expect(await running).toEqual({ outcome: "stopped", position: await ending });
    expect(source.returns).toBe(1);
  });

  test("is not ended again when the source ends", async () => {
    const world = new SourceWorld();
    const source = new Scripted();
    const running = publishFrom(world, "f", source);
    const ending = world.end("f", { outcome: "stopped" });
    source.finish();
    expect(await running).toEqual({ outcome: "stopped", position: await ending });
  });

  test("closes the source when it is deleted, and publishes nothing to a later topic of its name", async () => {
    const world = new SourceWorld();
    const source = new Scripted();
    const running = publishFrom(world, "f", source);
    await world.topic("f").delete();
    expect((await running).outcome).toBe("stopped");
    expect([source.returns, world.ended]).toEqual([1, []]);
  });
});

describe("closing", () => {
  test("interrupts every source, and ends finite topics as failed", async () => {
    const world = new SourceWorld();
    const [finite, endless] = [new Scripted(), new Scripted()];
    const running = [publishFrom(world, "f", finite), publishFrom(world, "t", endless)];
    const closing = world.sources.close();
    for (const one of running) await expectCode("ERR_CLOSED", () => one);
    await closing;
    expect([finite.returns, endless.returns]).toEqual([1, 1]);
    expect(world.endOf("f")).toMatchObject({ outcome: "failed", code: "ERR_PRODUCER_LOST" });
    const late = new Probe(["a"]);
    await expectCode("ERR_CLOSED", () => publishFrom(world, "f2", late));
    expect([late.pulled, late.returned]).toEqual([0, 1]);
  });

  test("waits until sources are closed, those included that were stopped before", async () => {
    const world = new SourceWorld();
    const abort = new AbortController();
    const sources = [new Scripted(), new Scripted()];
    const releases: (() => void)[] = [];
    for (const source of sources) {
      source.onReturn = () => new Promise((resolve) => releases.push(() => resolve({ done: true, value: undefined })));
    }
    const stopped = publishFrom(world, "f1", sources[0], abort.signal);
    void publishFrom(world, "f2", sources[1]).catch(() => undefined);
    abort.abort();
    await stopped;
    let isClosed = false;
    const closing = world.sources.close().then(() => void (isClosed = true));
    await until(() => releases.length === 2);
    releases[1]?.();
    await turns();
    expect(isClosed).toBe(false);
    releases[0]?.();
    await closing;
  });

  test("does not wait for a source that could not be opened, nor for one that has ended or failed", async () => {
    virtualTime();
    const world = new SourceWorld();
    const stream = new ReadableStream();
    stream.getReader();
    for (const source of [stream, Enumerator.fail(new Error("e"))])
      await errorOf(() => publishFrom(world, "t", source));
    await publishFrom(world, "t", ["a"]);
    const start = performance.now();
    await world.sources.close();
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("waits 5 s at most for a source whose clean-up hangs", async () => {
    virtualTime();
    const world = new SourceWorld();
    const source = new Scripted();
    source.onReturn = never;
    void publishFrom(world, "f", source).catch(() => undefined);
    const start = performance.now();
    await world.sources.close();
    expect(performance.now() - start).toBeGreaterThanOrEqual(5000);
  });
});

describe("with a broker", () => {
  test("publishes in order, with at most 64 unacknowledged messages of one source", async () => {
    const world = new SourceWorld({}, true);
    let most = 0;
    const source = (function* () {
      for (let i = 0; i < 500; i += 1) {
        most = Math.max(most, world.link?.unacknowledged ?? 0);
        yield i;
      }
    })();
    const { position } = await publishFrom(world, "t", source);
    expect(position).toMatch(/\.500$/);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(64);
    expect(world.sources).toMatchObject({ unacknowledged: 0, unacknowledgedBytes: 0 });
    const sink = await world.open("t");
    await until(() => sink.messages.length >= 500);
    expect(sink.messages).toEqual(numbers(500));
  });

  test("leaves room for others, however many sources there are", async () => {
    const world = new SourceWorld({ flushSliceMs: 600_000 }, true);
    let most = 0;
    const makeSource = function* (): Generator<number> {
      for (let i = 0; i < 100; i += 1) {
        most = Math.max(most, world.link?.unacknowledged ?? 0);
        yield i;
      }
    };
    await Promise.all(Array.from({ length: 200 }, (_, i) => publishFrom(world, `t${i}`, makeSource())));
    expect(most).toBeGreaterThan(4000);
    expect(most).toBeLessThan(4096 + 200);
  });

  test("fails on the first failure, closes the source and publishes nothing more", async () => {
    const world = new SourceWorld({}, true);
    let pulled = 0;
    let closed = 0;
    const source = (function* () {
      try {
        for (;;) {
          if (pulled === 10) world.broker?.cut();
          yield pulled++;
        }
      } finally {
        closed += 1;
      }
    })();
    await expectCode("ERR_BROKER", () => publishFrom(world, "t", source), /no connection/);
    expect(closed).toBe(1);
    expect(pulled).toBeLessThanOrEqual(64);
    world.broker?.restore();
    const sink = await world.open("t");
    await until(() => sink.messages.length >= 10);
    expect(sink.messages).toEqual(numbers(10));
  });

  test("rejects if the last message fails after the source has ended", async () => {
    const world = new SourceWorld({}, true);
    const source = (function* () {
      yield "a";
      world.broker?.cut();
      yield "b";
    })();
    await expectCode("ERR_BROKER", () => publishFrom(world, "t", source));
  });

  test("ends the topic as failed if a message is not acknowledged after the source has ended", async () => {
    const world = new SourceWorld();
    let reject: (error: unknown) => void = () => undefined;
    world.acknowledge = () => new Promise((_, fail) => (reject = fail));
    const running = publishFrom(world, "f", ["a"]);
    await turns();
    expect(world.ended).toEqual([]);
    const error = new CometError("ERR_BROKER", "away");
    reject(error);
    expect(await errorOf(() => running)).toBe(error);
    expect(world.endOf("f")).toMatchObject({ outcome: "failed", code: "ERR_FAILED" });
  });

  test("resolves to the position of the last message, whatever the order of acknowledgements", async () => {
    const world = new SourceWorld();
    const acknowledged: (() => void)[] = [];
    world.acknowledge = (position) => new Promise((resolve) => acknowledged.push(() => resolve(position)));
    const running = publishFrom(world, "t", ["a", "b", "c"]);
    await turns();
    for (const resolve of acknowledged.reverse()) resolve();
    expect((await running).position).toMatch(/\.3$/);
  });
});
