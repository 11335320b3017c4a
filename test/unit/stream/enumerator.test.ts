import { describe, expect, test } from "vitest";
import { Enumeratee, Enumerator } from "../../../src/index.ts";
import { collect, errorOf, expectCode, Probe, turns } from "../../support/sources.ts";

describe("Enumerator.of", () => {
  test("yields all its elements in each run", async () => {
    const source = Enumerator.of("kiki", "foo", "bar");
    expect(await collect(source)).toEqual(["kiki", "foo", "bar"]);
    expect(await collect(source)).toEqual(["kiki", "foo", "bar"]);
    expect(await collect(Enumerator.of())).toEqual([]);
  });

  test("yields undefined, null and promises unchanged", async () => {
    expect(await collect(Enumerator.of(undefined, null))).toEqual([undefined, null]);
  });
});

describe("Enumerator.from", () => {
  test("accepts arrays, sets, strings, generators, async iterables and streams", async () => {
    expect(await collect(Enumerator.from([1, 2]))).toEqual([1, 2]);
    expect(await collect(Enumerator.from(new Set([1, 2])))).toEqual([1, 2]);
    expect(await collect(Enumerator.from("añ😀"))).toEqual(["a", "ñ", "😀"]);
    expect(await collect(Enumerator.from(new Probe([1, 2])))).toEqual([1, 2]);
    expect(await collect(Enumerator.from(new Blob(["ab"]).stream()))).toEqual([new Uint8Array([97, 98])]);
    function* numbers(): Generator<number> {
      yield 1;
      yield 2;
    }
    expect(await collect(Enumerator.from(numbers()))).toEqual([1, 2]);
  });

  test("returns an Enumerator unchanged", () => {
    const source = Enumerator.of(1);
    expect(Enumerator.from(source)).toBe(source);
  });

  test("requests a new iterator from an iterable in each run", async () => {
    const probe = new Probe([1]);
    const source = Enumerator.from(probe);
    await collect(source);
    await collect(source);
    expect(probe.opened).toBe(2);
  });

  test.each([
    ["a generator", () => [1][Symbol.iterator]()],
    [
      "an async generator",
      async function* () {
        await Promise.resolve();
        yield 1;
      },
    ],
    ["a stream", () => new Blob(["a"]).stream()],
  ])("fails with a clear error when %s is run a second time", async (_, make) => {
    const source = Enumerator.from<unknown>(make());
    expect(await collect(source)).toHaveLength(1);
    await expectCode("ERR_SOURCE_USED", () => collect(source), /only once/);
  });

  test("fails with a clear error when a stream is already locked", async () => {
    const stream = new Blob(["a"]).stream();
    stream.getReader();
    await expectCode("ERR_SOURCE_USED", () => collect(Enumerator.from(stream)));
  });

  test.each([[5], [null], [undefined], [{}], [() => 1]])("refuses %s", async (nothing) => {
    await expectCode("ERR_SOURCE", () => Enumerator.from(nothing as never), /takes an iterable/);
  });

  test("refuses an iterator whose result is not an object", async () => {
    const broken = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(5) }) };
    await expectCode("ERR_SOURCE", () => collect(Enumerator.from(broken as never)));
  });
});

describe("a run", () => {
  test("begins only when it is read", async () => {
    const probe = new Probe([1, 2]);
    const source = Enumerator.from(probe).through(Enumeratee.map((n) => n));
    const iterator = source[Symbol.asyncIterator]();
    await turns();
    expect(probe.opened).toBe(0);
    await iterator.next();
    expect([probe.opened, probe.pulled]).toEqual([1, 1]);
  });

  test("pulls an element only on demand", async () => {
    const probe = new Probe([1, 2, 3]);
    const iterator = Enumerator.from(probe)[Symbol.asyncIterator]();
    await iterator.next();
    await turns();
    expect(probe.pulled).toBe(1);
  });

  test("settles concurrent next() calls in order, including those after the end", async () => {
    const iterator = Enumerator.from(new Probe([1, 2]))[Symbol.asyncIterator]();
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()]);
    expect(results).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
  });

  test("stops its source once when the reader leaves, and runs finally blocks", async () => {
    const log: string[] = [];
    async function* source(): AsyncGenerator<number> {
      try {
        for (let i = 0; ; i += 1) {
          await Promise.resolve();
          yield i;
        }
      } finally {
        log.push("finally");
      }
    }
    for await (const n of Enumerator.from(source()).through(Enumeratee.map((n) => n))) if (n === 3) break;
    expect(log).toEqual(["finally"]);

    const probe = new Probe([1, 2, 3]);
    const iterator = Enumerator.from(probe)[Symbol.asyncIterator]();
    await iterator.next();
    await Promise.all([iterator.return?.(), iterator.return?.()]);
    await iterator.return?.();
    expect(probe.returned).toBe(1);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(probe.pulled).toBe(1);
  });

  test("does not open its source for a return() before the first next()", async () => {
    const probe = new Probe([1]);
    const iterator = Enumerator.from(probe)[Symbol.asyncIterator]();
    await iterator.return?.();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(probe.opened).toBe(0);
  });

  test("settles a pending next() when return() is called", async () => {
    const iterator = Enumerator.unicast<number>(() => undefined)[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await iterator.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test("does not return() a source that has ended or failed", async () => {
    const ended = new Probe([1]);
    await collect(Enumerator.from(ended));
    expect(ended.returned).toBe(0);
    const failed = new Probe([1], { error: new Error("broken") });
    await errorOf(() => collect(Enumerator.from(failed)));
    expect(failed.returned).toBe(0);
  });

  test("forwards an error once, then ends", async () => {
    const error = new Error("broken");
    const iterator = Enumerator.from(new Probe([1], { error }))[Symbol.asyncIterator]();
    await iterator.next();
    const [first, second] = await Promise.allSettled([iterator.next(), iterator.next()]);
    expect(first).toEqual({ status: "rejected", reason: error });
    expect(second).toEqual({ status: "fulfilled", value: { done: true, value: undefined } });
  });

  test("forwards an error thrown by a sync iterator, an iterator's getter or next()", async () => {
    const error = new Error("broken");
    function fail(): never {
      throw error;
    }
    function* generator(): Generator<number> {
      yield 1;
      fail();
    }
    expect(await errorOf(() => collect(Enumerator.from(generator())))).toBe(error);
    expect(await errorOf(() => collect(Enumerator.from({ [Symbol.asyncIterator]: fail })))).toBe(error);
    expect(await errorOf(() => collect(Enumerator.from({ [Symbol.asyncIterator]: () => ({ next: fail }) })))).toBe(
      error,
    );
  });

  test("rejects return() with the error that its source's clean-up throws", async () => {
    const error = new Error("cannot clean up");
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: 1 }),
        return: () => Promise.reject(error),
      }),
    };
    const iterator = Enumerator.from(source)[Symbol.asyncIterator]();
    await iterator.next();
    expect(await errorOf(() => iterator.return?.())).toBe(error);
  });

  test("cancels a ReadableStream once", async () => {
    const reasons: unknown[] = [];
    const stream = new ReadableStream<number>({
      pull: (controller) => controller.enqueue(1),
      cancel: (reason) => void reasons.push(reason),
    });
    for await (const _ of Enumerator.from(stream)) break;
    expect(reasons).toHaveLength(1);
  });

  test("can be stopped from within a function of its own operators", async () => {
    const probe = new Probe([1, 2, 3]);
    const iterator: AsyncIterator<number> = Enumerator.from(probe)
      .through(
        Enumeratee.map((n) => {
          void iterator.return?.();
          return n;
        }),
      )
      [Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    await turns();
    expect([probe.pulled, probe.returned]).toEqual([1, 1]);
  });
});
