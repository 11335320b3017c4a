import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test, vi } from "vitest";
import { Enumeratee, Enumerator, Iteratee } from "../../../src/index.ts";
import { collect, errorOf, expectCode, Probe, turns, until } from "../../support/sources.ts";

const numbers = Enumerator.of(1, 2, 3, 4);
const nothing = Enumerator.empty<number>();

describe("an Iteratee", () => {
  test.each<[string, Iteratee<number, unknown>, unknown, unknown]>([
    ["fold", Iteratee.fold(10, (a, b) => a + b), 20, 10],
    ["foldAsync", Iteratee.foldAsync(10, async (a, b) => turns(1).then(() => a - b)), 0, 10],
    ["reduce", Iteratee.reduce((a, b) => a * b), 24, undefined],
    ["collect", Iteratee.collect(), [1, 2, 3, 4], []],
    ["head", Iteratee.head(), 1, undefined],
    ["last", Iteratee.last(), 4, undefined],
    ["takeUpTo", Iteratee.takeUpTo(2), [1, 2], []],
    ["takeUpTo(0)", Iteratee.takeUpTo(0), [], []],
    ["count", Iteratee.count(), 4, 0],
    ["isEmpty", Iteratee.isEmpty(), false, true],
    ["ignore", Iteratee.ignore(), undefined, undefined],
    ["map", Iteratee.map(Iteratee.count(), (n) => n * 2), 8, 0],
    ["map that waits", Iteratee.map(Iteratee.count(), async (n) => turns(1).then(() => n * 2)), 8, 0],
    ["zip", Iteratee.zip(Iteratee.head<number>(), Iteratee.count()), [1, 4], [undefined, 0]],
    [
      "zip of what waits",
      Iteratee.zip(
        Iteratee.foldAsync(0, async (a, b) => turns(1).then(() => a + b)),
        Iteratee.last<number>(),
      ),
      [10, 4],
      [0, undefined],
    ],
    [
      "flatMap",
      Iteratee.flatMap(Iteratee.takeUpTo<number>(2), (two) =>
        Iteratee.map(Iteratee.collect<number>(), (rest) => [two, rest]),
      ),
      [
        [1, 2],
        [3, 4],
      ],
      [[], []],
    ],
    [
      "flatMap that waits",
      Iteratee.flatMap(Iteratee.head<number>(), async (n) =>
        turns(1).then(() => Iteratee.fold<number, number>(n ?? 0, (a, b) => a + b)),
      ),
      10,
      0,
    ],
    [
      "flatMap to what has enough",
      Iteratee.flatMap(Iteratee.head<number>(), (n) => Iteratee.map(Iteratee.takeUpTo<number>(0), () => n)),
      1,
      undefined,
    ],
  ])("%s, with elements and without", async (_, iteratee, some, none) => {
    expect(await numbers.run(iteratee)).toEqual(some);
    expect(await nothing.run(iteratee)).toEqual(none);
    expect(await numbers.run(iteratee)).toEqual(some);
  });

  test("forEach awaits its function's result, and pulls nothing meanwhile", async () => {
    const probe = new Probe([1, 2, 3]);
    const seen: number[] = [];
    const running = Enumerator.from(probe).run(
      Iteratee.forEach(async (n: number) => {
        expect(probe.pulled).toBe(n);
        await turns(3);
        seen.push(n);
      }),
    );
    await running;
    expect(seen).toEqual([1, 2, 3]);
  });

  test("stops its source when it is done early", async () => {
    const probe = new Probe([1, 2, 3]);
    expect(await Enumerator.from(probe).run(Iteratee.head())).toBe(1);
    expect([probe.pulled, probe.returned]).toEqual([1, 1]);
    const untouched = new Probe([1]);
    expect(await Enumerator.from(untouched).run(Iteratee.takeUpTo(0))).toEqual([]);
    expect(untouched.opened).toBe(0);
  });

  test.each([
    [
      "throws",
      Iteratee.forEach(() => {
        throw new Error("broken");
      }),
    ],
    ["rejects", Iteratee.forEach(() => Promise.reject(new Error("broken")))],
    [
      "fails in a zip",
      Iteratee.zip(
        Iteratee.forEach(() => Promise.reject(new Error("broken"))),
        Iteratee.count(),
      ),
    ],
    [
      "fails in a flatMap",
      Iteratee.flatMap(Iteratee.head(), () => {
        throw new Error("broken");
      }),
    ],
  ])("that %s stops its source and fails the run", async (_, iteratee) => {
    const probe = new Probe([1, 2, 3]);
    expect(await errorOf(() => Enumerator.from(probe).run(iteratee as Iteratee<number, unknown>))).toMatchObject({
      message: "broken",
    });
    await turns();
    expect(probe.returned).toBe(1);
  });

  test("receives the error of its source, and of the source's clean-up", async () => {
    const error = new Error("broken");
    expect(await errorOf(() => Enumerator.from(new Probe([1], { error })).run(Iteratee.count()))).toBe(error);
    const unclean = numbers.through(
      Enumeratee.onDone(() => {
        throw error;
      }),
    );
    expect(await errorOf(() => unclean.run(Iteratee.head()))).toBe(error);
    expect(await errorOf(() => unclean.run(Iteratee.count()))).toBe(error);
  });

  test.each(["fold", "foldAsync", "reduce", "forEach", "map", "flatMap"] as const)(
    "%s refuses an argument that is not a function",
    async (name) => {
      await expectCode("ERR_OPTION", () => (Iteratee[name] as (a: unknown, b: unknown) => unknown)(5, 5));
      await expectCode("ERR_OPTION", () => Iteratee.takeUpTo(-1));
    },
  );
});

describe("an AbortSignal", () => {
  const reason = new Error("no more");

  test("ends a run, and stops its source", async () => {
    const abort = new AbortController();
    const stop = vi.fn();
    const running = errorOf(() =>
      Enumerator.unicast<number>(() => stop).run(Iteratee.count(), { signal: abort.signal }),
    );
    await turns();
    abort.abort(reason);
    expect(await running).toBe(reason);
    expect(stop).toHaveBeenCalledOnce();
  });

  test("ends a run while its consumer waits", async () => {
    const abort = new AbortController();
    const running = errorOf(() =>
      numbers.run(
        Iteratee.forEach(() => new Promise(() => undefined)),
        { signal: abort.signal },
      ),
    );
    abort.abort(reason);
    expect(await running).toBe(reason);
  });

  test("opens no source if it has already aborted", async () => {
    const probe = new Probe([1]);
    const signal = AbortSignal.abort(reason);
    const source = Enumerator.from(probe);
    expect(await errorOf(() => source.run(Iteratee.count(), { signal }))).toBe(reason);
    expect(await errorOf(() => collect(source.through(Enumeratee.abortable(signal))))).toBe(reason);
    expect(await errorOf(() => collect(source.toReadableStream({ signal })))).toBe(reason);
    expect(probe.opened).toBe(0);
    await expectCode("ERR_OPTION", () => Enumeratee.abortable(5 as never));
  });

  test("ends a stream after an inner stream with the same signal has ended", async () => {
    const abort = new AbortController();
    const inner = Enumerator.of(1).through(Enumeratee.abortable<number>(abort.signal));
    const seen: number[] = [];
    const outer = Enumerator.concat(inner, Enumerator.never<number>()).through(
      Enumeratee.abortable<number>(abort.signal),
    );
    const ended = errorOf(() => outer.run(Iteratee.forEach((n: number) => void seen.push(n))));
    await until(() => seen.length === 1);
    await turns();
    abort.abort(new Error("enough"));
    expect(await ended).toEqual(new Error("enough"));
  });

  test("ends for await and a ReadableStream, and keeps no listener after a run ends", async () => {
    const abort = new AbortController();
    const add = vi.spyOn(abort.signal, "addEventListener");
    const remove = vi.spyOn(abort.signal, "removeEventListener");
    expect(await collect(numbers.through(Enumeratee.abortable(abort.signal)))).toEqual([1, 2, 3, 4]);
    expect(await collect(numbers.toReadableStream({ signal: abort.signal }))).toEqual([1, 2, 3, 4]);
    await numbers.run(Iteratee.count(), { signal: abort.signal });
    expect(remove.mock.calls.length).toBeGreaterThanOrEqual(add.mock.calls.length);
    const looping = errorOf(() => collect(Enumerator.never().through(Enumeratee.abortable(abort.signal))));
    const streaming = errorOf(() => collect(Enumerator.never().toReadableStream({ signal: abort.signal })));
    abort.abort(reason);
    expect([await looping, await streaming]).toEqual([reason, reason]);
  });
});

describe("interop", () => {
  test("a ReadableStream prefetches nothing by default, and up to its high-water mark if set", async () => {
    for (const highWaterMark of [0, 3]) {
      const probe = new Probe([1, 2, 3, 4, 5]);
      const reader = Enumerator.from(probe).toReadableStream({ highWaterMark }).getReader();
      await reader.read();
      await turns();
      expect(probe.pulled).toBe(1 + highWaterMark);
      await reader.cancel();
      expect(probe.returned).toBe(1);
    }
  });

  test("pipes through a TransformStream", async () => {
    const double = new TransformStream<number, number>({ transform: (n, controller) => controller.enqueue(n * 2) });
    expect(await collect(Enumerator.from(numbers.toReadableStream().pipeThrough(double)))).toEqual([2, 4, 6, 8]);
  });

  test("works with Readable.from and stream.pipeline, and stops the source on failure", async () => {
    expect(await collect(Readable.from(numbers))).toEqual([1, 2, 3, 4]);
    const probe = new Probe([1, 2, 3]);
    const sink = new Writable({ objectMode: true, write: (_chunk, _encoding, done) => done(new Error("full")) });
    expect(await errorOf(() => pipeline(Enumerator.from(probe), sink))).toMatchObject({ message: "full" });
    await turns();
    expect(probe.returned).toBe(1);
  });

  test("stops a run at the end of an await using scope", async () => {
    const probe = new Probe([1, 2, 3]);
    const iterator = Enumerator.from(probe)[Symbol.asyncIterator]() as AsyncIterator<number> & AsyncDisposable;
    await iterator.next();
    await iterator[Symbol.asyncDispose]();
    expect(probe.returned).toBe(1);
  });
});
