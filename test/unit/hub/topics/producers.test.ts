import { describe, expect, test } from "vitest";
import { CometError, type CometErrorCode } from "../../../../src/core/errors.ts";
import type { SourceFactory } from "../../../../src/hub/topics/factory-run.ts";
import { Enumerator } from "../../../../src/index.ts";
import { flushed } from "../../../support/fake-sink.ts";
import { turns, until } from "../../../support/sources.ts";
import { SourceWorld } from "../../../support/source-world.ts";
import { virtualTime } from "../../../support/virtual-time.ts";

/** A source that emits what a test pushes, and that notes its life. */
class Tap {
  signal: AbortSignal | undefined;
  calls = 0;
  closed = 0;
  push: (element: string) => void = () => undefined;
  end: () => void = () => undefined;
  fail: (error: unknown) => void = () => undefined;

  readonly factory = (signal: AbortSignal): Enumerator<string> => {
    this.calls += 1;
    this.signal = signal;
    return Enumerator.unicast((channel) => {
      this.push = (element) => void channel.push(element);
      this.end = () => channel.end();
      this.fail = (error) => channel.fail(error);
      return () => void (this.closed += 1);
    });
  };
}

const never = (): Promise<never> => new Promise(() => undefined);
const failed = { outcome: "failed", code: "ERR_FAILED", message: "The source of this topic has failed." };

function expectThrow(code: CometErrorCode, act: () => unknown, message = /./): void {
  expect(act).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }));
}

/** A source whose `return` waits until it is released. */
function slowToClose(): { readonly source: AsyncIterable<string>; readonly release: () => void; returns: number } {
  let release: () => void = () => undefined;
  const slow = {
    returns: 0,
    release: () => release(),
    source: {
      [Symbol.asyncIterator]: () => ({
        next: never,
        return: () => {
          slow.returns += 1;
          return new Promise<IteratorResult<string>>((resolve) => {
            release = () => resolve({ done: true, value: undefined });
          });
        },
      }),
    },
  };
  return slow;
}

describe("produce", () => {
  test("calls the factory at once, publishes its source, and resolves when the topic has ended", async () => {
    const world = new SourceWorld();
    const sink = await world.open("f");
    const tap = new Tap();
    const producing = world.producers.produce("f", tap.factory);
    expect([tap.calls, world.begun, world.producers.size]).toEqual([1, ["f"], 1]);
    tap.push("a");
    tap.push("b");
    tap.end();
    const outcome = await producing;
    expect(outcome).toEqual({ outcome: "complete", position: world.endOf("f")?.position });
    await flushed();
    expect(sink.messages).toEqual(["a", "b"]);
    expect([tap.closed, tap.signal?.aborted, world.producers.size]).toEqual([1, false, 0]);
  });

  test("takes a promise of a source", async () => {
    const world = new SourceWorld();
    const sink = await world.open("f");
    const factory = async (): Promise<readonly string[]> => {
      await turns(2);
      return ["a"];
    };
    expect(await world.producers.produce("f", factory)).toMatchObject({ outcome: "complete" });
    await flushed();
    expect(sink.messages).toEqual(["a"]);
  });

  test("joins a producer that runs, and a topic that has ended", async () => {
    const world = new SourceWorld();
    const [tap, other] = [new Tap(), new Tap()];
    const first = world.producers.produce("f", tap.factory);
    const second = world.producers.produce("f", other.factory);
    tap.end();
    const outcome = await first;
    expect(await second).toEqual(outcome);
    expect(await world.producers.produce("f", other.factory)).toEqual(outcome);
    expect([tap.calls, other.calls, world.errors]).toEqual([1, 0, []]);
  });

  test("joins one that fails, with the same outcome and one report", async () => {
    const world = new SourceWorld();
    const tap = new Tap();
    const both = [world.producers.produce("f", tap.factory), world.producers.produce("f", tap.factory)];
    tap.fail(new Error("secret"));
    const position = (await both[0])?.position;
    expect(await Promise.all(both)).toEqual([
      { ...failed, position },
      { ...failed, position },
    ]);
    expect(world.errors).toMatchObject([{ code: "ERR_FAILED", cause: { message: "secret" } }]);
  });

  test.each<[string, SourceFactory, object]>([
    [
      "throws",
      () => {
        throw new Error("secret");
      },
      { message: "secret" },
    ],
    ["rejects", () => Promise.reject(new Error("secret")), { message: "secret" }],
    ["returns no source", () => 7 as never, { code: "ERR_SOURCE", message: /^A producer must return .* not 7\.$/ }],
    ["resolves to no source", () => Promise.resolve({} as never), { code: "ERR_SOURCE" }],
    ["returns a source that fails", () => Enumerator.fail(new Error("secret")), { message: "secret" }],
    ["returns a message that is not JSON", () => [new Date()], { code: "ERR_ENCODER" }],
  ])("ends the topic as failed if the factory %s", async (_, factory, cause) => {
    const world = new SourceWorld();
    const sink = await world.open("f");
    const outcome = await world.producers.produce("f", factory);
    expect(outcome).toEqual({ ...failed, position: world.endOf("f")?.position });
    await flushed();
    expect(sink.text).toContain("The source of this topic has failed.");
    expect(sink.text).not.toContain("secret");
    const message = (cause as { message?: unknown }).message;
    const expected =
      message instanceof RegExp ? { ...cause, message: expect.stringMatching(message) as string } : cause;
    expect(world.errors).toMatchObject([{ code: "ERR_FAILED", cause: expected }]);
    expect(world.producers.size).toBe(0);
  });

  test("resolves, and reports, if the end cannot be published", async () => {
    const world = new SourceWorld();
    world.endFailure = new CometError("ERR_BROKER", "away");
    expect(await world.producers.produce("f", () => ["a"])).toMatchObject(failed);
    expect(world.errors).toMatchObject([{ code: "ERR_FAILED", cause: { code: "ERR_BROKER" } }]);
  });

  test("throws at once for what it cannot do, without calling the factory", () => {
    const world = new SourceWorld();
    const tap = new Tap();
    const { producers } = world;
    expectThrow("ERR_OPTION", () => producers.produce("t", tap.factory), /endless/);
    expectThrow("ERR_OPTION", () => producers.produce("f", ["a"] as never), /must be a function/);
    expectThrow("ERR_OPTION", () => producers.produce("f", tap.factory, { restart: 1 as never }), /true or false/);
    for (const leaseMs of [999, 3_600_001, 1500.5, "2000" as never]) {
      expectThrow("ERR_OPTION", () => producers.produce("f", tap.factory, { leaseMs }), /leaseMs/);
    }
    expect([tap.calls, world.begun]).toEqual([0, []]);
  });
});

describe("stop", () => {
  test("aborts the factory's signal, closes the source, and ends the topic as stopped", async () => {
    const world = new SourceWorld();
    const tap = new Tap();
    const producing = world.producers.produce("f", tap.factory);
    tap.push("a");
    await world.producers.stop("f");
    expect([tap.signal?.aborted, tap.closed]).toEqual([true, 1]);
    expect(await producing).toEqual({ outcome: "stopped", position: world.endOf("f")?.position });
    tap.push("late");
    await turns();
    expect(world.topics.live("f")?.log.head).toBe(2);
    expect(world.errors).toEqual([]);
  });

  test("reaches what the source waits for", async () => {
    const world = new SourceWorld();
    const waits: string[] = [];
    const producing = world.producers.produce("f", async function* (signal) {
      yield "a";
      try {
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
      } catch (error) {
        waits.push((error as Error).message);
        throw error;
      } finally {
        waits.push("closed");
      }
      yield "never";
    });
    await until(() => (world.topics.live("f")?.log.head ?? 0) > 0);
    await turns();
    await world.producers.stop("f");
    expect((await producing).outcome).toBe("stopped");
    await turns();
    expect([waits, world.errors]).toEqual([["aborted", "closed"], []]);
  });

  test("ends the topic at once if the source ignores the signal and never closes", async () => {
    const world = new SourceWorld();
    const slow = slowToClose();
    const producing = world.producers.produce("f", () => slow.source);
    await world.producers.stop("f");
    expect((await producing).outcome).toBe("stopped");
    expect([slow.returns, world.endOf("f")?.outcome]).toEqual([1, "stopped"]);
  });

  test("closes a source unread that arrives late, and ignores a factory that rejects late", async () => {
    const world = new SourceWorld();
    let resolve: (stream: ReadableStream<string>) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    void world.producers.produce("f1", () => new Promise((done) => (resolve = done)));
    void world.producers.produce("f2", () => new Promise((_, fail) => (reject = fail)));
    await Promise.all([world.producers.stop("f1"), world.producers.stop("f2")]);
    let cancelled = 0;
    resolve(new ReadableStream({ cancel: () => void (cancelled += 1) }));
    reject(new Error("aborted"));
    await until(() => cancelled > 0);
    await turns();
    expect([cancelled, world.errors]).toEqual([1, []]);
    expect(["f1", "f2"].map((name) => world.endOf(name)?.outcome)).toEqual(["stopped", "stopped"]);
  });

  test("stops a producer from within its factory", async () => {
    const world = new SourceWorld();
    let closed = 0;
    const producing = world.producers.produce("f", function* () {
      try {
        void world.producers.stop("f");
        yield "a";
      } finally {
        closed += 1;
      }
    });
    expect((await producing).outcome).toBe("stopped");
    await turns();
    expect([closed, world.topics.live("f")?.log.head]).toEqual([1, 1]);
  });

  test("ends a finite topic that has begun without a producer", async () => {
    const world = new SourceWorld();
    const tap = new Tap();
    const publishing = world.sources.publishFrom(world.topic("f"), tap.factory(new AbortController().signal), {});
    await world.producers.stop("f");
    expect((await publishing).outcome).toBe("stopped");
    expect([tap.closed, world.endOf("f")?.outcome]).toEqual([1, "stopped"]);
  });

  test("does nothing to an endless topic, one that has not begun, and one that has ended", async () => {
    const world = new SourceWorld();
    await world.sources.publishFrom(world.topic("t"), ["a"], {});
    const position = await world.end("f2", { outcome: "complete" });
    for (const name of ["t", "f1", "f2"]) await world.producers.stop(name);
    expect([world.ended, world.endOf("f2")]).toEqual([["f2"], { outcome: "complete", position }]);
  });

  test("rejects if the end cannot be published, which is no unhandled rejection", async () => {
    const world = new SourceWorld();
    world.topic("f").begin(() => undefined);
    world.endFailure = new CometError("ERR_BROKER", "away");
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    void world.producers.stop("f");
    await expect(world.producers.stop("f")).rejects.toBe(world.endFailure);
    await turns();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("a topic that ends or is deleted beside its producer", () => {
  test("aborts the factory's signal and closes the source", async () => {
    const world = new SourceWorld();
    const [ended, deleted] = [new Tap(), new Tap()];
    const producing = [world.producers.produce("f1", ended.factory), world.producers.produce("f2", deleted.factory)];
    await world.end("f1", { outcome: "complete" });
    await world.topic("f2").delete();
    expect((await Promise.all(producing)).map(({ outcome }) => outcome)).toEqual(["complete", "stopped"]);
    for (const tap of [ended, deleted]) expect([tap.signal?.aborted, tap.closed]).toEqual([true, 1]);
    expect(world.producers.size).toBe(0);
  });
});

describe("restart", () => {
  test("begins a topic that has ended anew", async () => {
    const world = new SourceWorld();
    await world.producers.produce("f", () => ["a"]);
    const tap = new Tap();
    const again = world.producers.produce("f", tap.factory, { restart: true });
    await until(() => tap.calls === 1);
    expect([world.deleted, world.ended]).toEqual([["f"], []]);
    tap.end();
    expect((await again).outcome).toBe("complete");
  });

  test("stops a producer that runs, and waits until its source is closed", async () => {
    const world = new SourceWorld();
    const slow = slowToClose();
    const first = world.producers.produce("f", () => slow.source);
    const tap = new Tap();
    const second = world.producers.produce("f", tap.factory, { restart: true });
    const joined = world.producers.produce("f", () => expect.fail("the factory of a call that joins"));
    expect((await first).outcome).toBe("stopped");
    await turns();
    expect([slow.returns, tap.calls, world.producers.size]).toEqual([1, 0, 1]);
    slow.release();
    await until(() => tap.calls === 1);
    tap.end();
    const outcome = await second;
    expect(outcome.outcome).toBe("complete");
    expect(await joined).toEqual(outcome);
  });

  test("waits 5 s at most for a source that does not close", async () => {
    virtualTime();
    const world = new SourceWorld();
    void world.producers.produce("f", () => slowToClose().source);
    const tap = new Tap();
    const start = performance.now();
    void world.producers.produce("f", tap.factory, { restart: true });
    while (tap.calls === 0) await turns(1);
    expect(performance.now() - start).toBeGreaterThanOrEqual(5000);
  });

  test("runs one producer at a time, whatever is called meanwhile", async () => {
    const world = new SourceWorld();
    let running = 0;
    let most = 0;
    let calls = 0;
    const factory = async function* (): AsyncGenerator<string> {
      calls += 1;
      running += 1;
      most = Math.max(most, running);
      try {
        for (;;) {
          yield "a";
          await turns(1);
        }
      } finally {
        await turns(1);
        running -= 1;
      }
    };
    const all = Array.from({ length: 5 }, () => world.producers.produce("f", factory, { restart: true }));
    await until(() => running === 1 && world.topics.live("f") !== undefined);
    await world.producers.stop("f");
    for (const { outcome } of await Promise.all(all)) expect(outcome).toBe("stopped");
    await until(() => running === 0);
    expect(most).toBe(1);
    expect(calls).toBeLessThanOrEqual(5);
    expect(world.producers.size).toBe(0);
  });

  test("that is stopped while it waits leaves the former stream, and never calls its factory", async () => {
    const world = new SourceWorld();
    const slow = slowToClose();
    void world.producers.produce("f", () => slow.source);
    const tap = new Tap();
    const second = world.producers.produce("f", tap.factory, { restart: true });
    const stopping = world.producers.stop("f");
    slow.release();
    await stopping;
    expect(await second).toEqual(world.endOf("f"));
    expect([tap.calls, world.deleted, world.endOf("f")?.outcome]).toEqual([0, [], "stopped"]);
  });

  test("ends a topic first that has begun without a producer", async () => {
    const world = new SourceWorld();
    const sink = await world.open("f");
    const tap = new Tap();
    const publishing = world.sources.publishFrom(world.topic("f"), tap.factory(new AbortController().signal), {});
    expect((await world.producers.produce("f", () => ["a"], { restart: true })).outcome).toBe("complete");
    expect((await publishing).outcome).toBe("stopped");
    expect(world.deleted).toEqual(["f"]);
    await flushed();
    expect(sink.lines.flatMap((line) => ("ended" in line ? [line["ended"]] : []))).toMatchObject([
      { outcome: "stopped" },
    ]);
  });
});

describe("closing", () => {
  test("refuses further producers at once, and lets those that run go on", async () => {
    const world = new SourceWorld();
    const tap = new Tap();
    const producing = world.producers.produce("f", tap.factory);
    world.producers.refuse();
    expectThrow("ERR_CLOSED", () => world.producers.produce("f2", tap.factory));
    tap.push("a");
    tap.end();
    expect((await producing).outcome).toBe("complete");
  });

  test("interrupts those that run as lost, without a report, and waits for their sources", async () => {
    const world = new SourceWorld();
    const [tap, slow] = [new Tap(), slowToClose()];
    const producing = [world.producers.produce("f1", tap.factory), world.producers.produce("f2", () => slow.source)];
    world.producers.close();
    let isClosed = false;
    const closing = world.sources.close().then(() => void (isClosed = true));
    const lost = { outcome: "failed", code: "ERR_PRODUCER_LOST" };
    expect(await Promise.all(producing)).toMatchObject([lost, lost]);
    expect([tap.signal?.aborted, tap.closed, world.endOf("f1")?.code]).toEqual([true, 1, "ERR_PRODUCER_LOST"]);
    await turns();
    expect(isClosed).toBe(false);
    slow.release();
    await closing;
    expect(world.errors).toEqual([]);
  });

  test("ends a restart that still waits, without calling its factory", async () => {
    const world = new SourceWorld();
    const slow = slowToClose();
    void world.producers.produce("f", () => slow.source);
    const tap = new Tap();
    const second = world.producers.produce("f", tap.factory, { restart: true });
    await turns();
    world.producers.close();
    const closing = world.sources.close();
    slow.release();
    await closing;
    expect((await second).outcome).toBe("failed");
    expect([tap.calls, world.errors]).toEqual([0, []]);
  });
});
