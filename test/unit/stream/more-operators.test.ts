import { describe, expect, test, vi } from "vitest";
import {
  Enumeratee,
  Enumerator,
  Iteratee,
  type Channel,
  type Enumerator as EnumeratorType,
  type WhenFull,
  type RunOutcome,
} from "../../../src/index.ts";
import { collect, errorOf, expectCode, Probe, turns } from "../../support/sources.ts";

const numbers = Enumerator.of(1, 2, 3, 4, 5, 6);
const error = new Error("broken");

describe("on lists", () => {
  test.each<[string, Enumeratee<number, unknown>, unknown[]]>([
    ["filterNot", Enumeratee.filterNot((n) => n > 2), [1, 2]],
    ["collect", Enumeratee.collect((n) => (n % 2 === 0 ? `${n}` : undefined)), ["2", "4", "6"]],
    [
      "distinctUntilChanged by its own comparison",
      Enumeratee.distinctUntilChanged((a, b) => Math.floor(a / 3) === Math.floor(b / 3)),
      [1, 3, 6],
    ],
    ["takeWhile", Enumeratee.takeWhile((n) => n !== 3), [1, 2]],
    ["drop", Enumeratee.drop(4), [5, 6]],
    ["drop of more than there is", Enumeratee.drop(40), []],
    ["dropWhile", Enumeratee.dropWhile((n) => n < 5), [5, 6]],
    ["scan", Enumeratee.scan("", (s, n) => s + n.toFixed()), ["1", "12", "123", "1234", "12345", "123456"]],
    ["mapConcat", Enumeratee.mapConcat((n) => (n > 4 ? "ab" : [])), ["a", "b", "a", "b"]],
    ["flatMap", Enumeratee.flatMap((n) => Enumerator.of(n).through(Enumeratee.take(n % 2))), [1, 3, 5]],
    ["trailing", Enumeratee.trailing(7, 8), [1, 2, 3, 4, 5, 6, 7, 8]],
    [
      "grouped",
      Enumeratee.grouped(4),
      [
        [1, 2, 3, 4],
        [5, 6],
      ],
    ],
    [
      "grouped by an Iteratee",
      Enumeratee.grouped(
        Iteratee.zip(
          Iteratee.takeUpTo<number>(3),
          Iteratee.map(Iteratee.takeUpTo<number>(2), (two) => two.length),
        ),
      ),
      [
        [[1, 2, 3], 2],
        [[4, 5, 6], 2],
      ],
    ],
    ["compose of nothing", Enumeratee.compose<number>(), [1, 2, 3, 4, 5, 6]],
  ])("%s", async (_, adapter, expected) => {
    expect(await collect(numbers.through(adapter))).toEqual(expected);
    expect(await collect(numbers.through(adapter))).toEqual(expected);
  });

  test("collect omits only undefined", async () => {
    const falsy = Enumerator.of<unknown>(null, undefined, false, 0, "", NaN);
    expect(await collect(falsy.through(Enumeratee.collect((value) => value)))).toEqual([null, false, 0, "", NaN]);
  });

  test("distinctUntilChanged compares by Object.is", async () => {
    expect(await collect(Enumerator.of(NaN, NaN, 0, -0, 1, 1).through(Enumeratee.distinctUntilChanged()))).toEqual([
      NaN,
      0,
      -0,
      1,
    ]);
  });

  test("tap receives each element before the next operator does", async () => {
    const log: string[] = [];
    await collect(
      numbers
        .through(Enumeratee.take(2))
        .through(Enumeratee.tap((n) => log.push(`tap ${n}`)))
        .through(Enumeratee.map((n) => log.push(`map ${n}`))),
    );
    expect(log).toEqual(["tap 1", "map 1", "tap 2", "map 2"]);
  });
});

test.each([
  "filterNot",
  "collect",
  "takeWhile",
  "dropWhile",
  "tap",
  "mapConcat",
  "flatMap",
  "recover",
  "onDone",
  "distinctUntilChanged",
] as const)("%s refuses an argument that is not a function", async (name) => {
  await expectCode("ERR_OPTION", () => (Enumeratee[name] as (f: unknown) => unknown)(5), /must be a function/);
});

test.each<[string, () => unknown]>([
  ["scan", () => Enumeratee.scan(0, 5 as never)],
  ["drop", () => Enumeratee.drop(-1)],
  ["grouped by 0", () => Enumeratee.grouped(0)],
  ["grouped within 0 ms", () => Enumeratee.grouped({ count: 5, withinMs: 0 })],
  ["throttle", () => Enumeratee.throttle(0)],
  ["debounce", () => Enumeratee.debounce(2 ** 31)],
  ["sample", () => Enumeratee.sample(1.5)],
  ["timeout", () => Enumeratee.timeout(NaN)],
  ["buffer of 0", () => Enumeratee.buffer(0)],
  ["buffer by no policy", () => Enumeratee.buffer(5, "x" as never)],
  ["buffer with no function", () => Enumeratee.buffer(5, "latest", 5 as never)],
])("%s refuses an argument out of range", async (_, make) => {
  await expectCode("ERR_OPTION", make);
});

describe("flatMap", () => {
  test("pulls the next element when the previous element's source has ended, and stops both", async () => {
    const outer = new Probe([1, 2, 3]);
    const inner = new Probe([10, 20, 30]);
    const iterator = Enumeratee.flatMap(() => inner)(outer)[Symbol.asyncIterator]();
    for (let i = 0; i < 3; i += 1) await iterator.next();
    expect(outer.pulled).toBe(1);
    await iterator.next();
    expect([outer.pulled, inner.opened]).toEqual([2, 2]);
    await iterator.return?.();
    expect([outer.returned, inner.returned]).toEqual([1, 1]);
  });

  test("stops its source when an inner source fails, and when mapConcat gets no list", async () => {
    const outer = new Probe([1, 2, 3]);
    expect(await errorOf(() => collect(Enumeratee.flatMap(() => Enumerator.fail(error))(outer)))).toBe(error);
    expect(outer.returned).toBe(1);
    await expectCode("ERR_SOURCE", () => collect(numbers.through(Enumeratee.mapConcat(() => 5 as never))));
  });
});

describe("recover and onDone", () => {
  test("recover continues with another source, once, after it has stopped the first", async () => {
    const failing = Enumerator.concat(Enumerator.of(1), Enumerator.fail<number>(error));
    const log: unknown[] = [];
    const recovered = failing
      .through(Enumeratee.onDone((outcome) => log.push(outcome)))
      .through(Enumeratee.recover((given) => (log.push("recover"), Enumerator.of((given as Error).message))));
    expect(await collect<unknown>(recovered)).toEqual([1, "broken"]);
    expect(log).toEqual([{ how: "failed", error }, "recover"]);
    const again = new Error("again");
    expect(await errorOf(() => collect(failing.through(Enumeratee.recover(() => Enumerator.fail(again)))))).toBe(again);
    expect(
      await errorOf(() =>
        collect(
          failing.through(
            Enumeratee.recover(() => {
              throw again;
            }),
          ),
        ),
      ),
    ).toBe(again);
  });

  test("recover also handles the error of a source that cannot be opened", async () => {
    const bad = {
      [Symbol.asyncIterator]: (): never => {
        throw error;
      },
    };
    expect(await collect(Enumeratee.recover(() => Enumerator.of("instead"))(bad as AsyncIterable<string>))).toEqual([
      "instead",
    ]);
  });

  test("onDone reports the outcome of a run once, and nothing if the run never began", async () => {
    const outcomes: RunOutcome[] = [];
    const told = Enumeratee.onDone<number>((outcome) => outcomes.push(outcome));
    await collect(told(numbers));
    await errorOf(() => collect(told(new Probe([1], { error }))));
    for await (const _ of told(numbers)) break;
    await told(numbers)[Symbol.asyncIterator]().return?.();
    expect(outcomes).toEqual([{ how: "ended" }, { how: "failed", error }, { how: "stopped" }]);
  });

  test("onDone lets the source clean up when its function throws", async () => {
    const probe = new Probe([1, 2]);
    const source = Enumeratee.onDone<number>(() => {
      throw error;
    })(probe);
    expect(
      await errorOf(async () => {
        for await (const _ of source) break;
      }),
    ).toBe(error);
    expect(probe.returned).toBe(1);
  });
});

describe("over time", () => {
  /** Runs with fake timers; `at` pushes elements into a channel at given times and reads the output with its times. */
  async function played<B>(
    adapter: (source: EnumeratorType<string>) => AsyncIterable<B>,
    plan: readonly (readonly [number, string])[],
    endAt: number,
  ): Promise<[number, B][]> {
    vi.useFakeTimers();
    try {
      const start = Date.now();
      const source = Enumerator.unicast<string>((channel: Channel<string>) => {
        for (const [at, element] of plan) setTimeout(() => channel.push(element), at);
        setTimeout(() => channel.end(), endAt);
      });
      const seen: [number, B][] = [];
      const reading = (async () => {
        for await (const element of adapter(source)) seen.push([Date.now() - start, element]);
      })();
      await vi.advanceTimersByTimeAsync(endAt + 1000);
      await reading;
      expect(vi.getTimerCount()).toBe(0);
      return seen;
    } finally {
      vi.useRealTimers();
    }
  }

  const plan = [
    [10, "a"],
    [20, "b"],
    [30, "c"],
    [200, "d"],
    [205, "e"],
    [500, "f"],
  ] as const;

  test("throttle passes one element per period", async () => {
    expect(await played(Enumeratee.throttle(100), plan, 600)).toEqual([
      [10, "a"],
      [200, "d"],
      [500, "f"],
    ]);
  });

  test("debounce passes the last element of each burst", async () => {
    expect(await played(Enumeratee.debounce(100), plan, 550)).toEqual([
      [130, "c"],
      [305, "e"],
      [550, "f"],
    ]);
  });

  test("sample emits the newest element of each period", async () => {
    expect(await played(Enumeratee.sample(100), plan, 550)).toEqual([
      [100, "c"],
      [300, "e"],
      [550, "f"],
    ]);
  });

  test("groupedWithin emits a group when it is full or due, and the rest at the end", async () => {
    expect(await played(Enumeratee.grouped({ count: 2, withinMs: 100 }), plan, 550)).toEqual([
      [20, ["a", "b"]],
      [130, ["c"]],
      [205, ["d", "e"]],
      [550, ["f"]],
    ]);
  });

  test("timeout fails when the source exceeds the limit, and leaves no timer", async () => {
    vi.useFakeTimers();
    try {
      const stop = vi.fn();
      const source = Enumerator.unicast<string>((channel) => {
        setTimeout(() => channel.push("a"), 90);
        setTimeout(() => channel.push("b"), 180);
        return stop;
      }).through(Enumeratee.timeout(100));
      const seen: string[] = [];
      const reading = errorOf(async () => {
        for await (const s of source) seen.push(s);
      });
      await vi.advanceTimersByTimeAsync(279);
      expect(stop).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(2);
      expect(await reading).toMatchObject({ code: "ERR_TIMEOUT" });
      expect([seen, stop.mock.calls.length, vi.getTimerCount()]).toEqual([["a", "b"], 1, 0]);
      // The timer is stopped while no pull is pending.
      const iterator = numbers.through(Enumeratee.timeout(100))[Symbol.asyncIterator]();
      await iterator.next();
      await vi.advanceTimersByTimeAsync(1000);
      expect(await iterator.next()).toEqual({ done: false, value: 2 });
      await iterator.return?.();
    } finally {
      vi.useRealTimers();
    }
  });

  test.each(["throttle", "debounce", "sample"] as const)(
    "%s lets timers run while the source never waits",
    async (name) => {
      let ticks = 0;
      const timer = setInterval(() => (ticks += 1), 1);
      const endless = Enumerator.unfold(0, (n) => [n, n + 1]).through(Enumeratee.takeWhile(() => ticks < 5));
      const seen = await collect(endless.through(Enumeratee[name]<number>(1)));
      clearInterval(timer);
      expect(seen.length).toBeGreaterThan(0);
      expect(ticks).toBeGreaterThanOrEqual(5);
    },
  );
});

describe("buffer", () => {
  test("begins with the first pull, and prefetches up to its bound", async () => {
    const probe = new Probe([1, 2, 3, 4, 5, 6]);
    const iterator = Enumeratee.buffer<number>(3)(probe)[Symbol.asyncIterator]();
    await turns();
    expect(probe.pulled).toBe(0);
    await iterator.next();
    await turns(10);
    expect(probe.pulled).toBeLessThanOrEqual(4);
    expect(probe.pulled).toBeGreaterThanOrEqual(3);
    await iterator.return?.();
    expect(probe.returned).toBe(1);
  });

  test.each<[WhenFull, number[], number[]]>([
    ["dropOldest", [0, 8, 9], [1, 2, 3, 4, 5, 6, 7]],
    ["dropNewest", [0, 1, 2], [3, 4, 5, 6, 7, 8, 9]],
    ["latest", [0, 9], [1, 2, 3, 4, 5, 6, 7, 8]],
  ])("%s", async (policy, kept, lost) => {
    let channel: Channel<number> | undefined;
    const dropped: number[] = [];
    const source = Enumerator.unicast<number>((given) => {
      channel = given;
    });
    const iterator = source.through(Enumeratee.buffer(2, policy, (n) => dropped.push(n)))[Symbol.asyncIterator]();
    const first = iterator.next();
    for (let i = 0; i < 10; i += 1) channel?.push(i);
    channel?.end();
    const seen = [(await first).value as number];
    for (let result = await iterator.next(); result.done !== true; result = await iterator.next())
      seen.push(result.value);
    expect([seen, dropped]).toEqual([kept, lost]);
  });

  test("fail", async () => {
    const source = Enumerator.unfold(0, (n) => [n, n + 1]).through(Enumeratee.buffer(2, "fail"));
    const seen: number[] = [];
    await expectCode("ERR_OVERFLOW", async () => {
      for await (const n of source) seen.push(n);
    });
    expect(seen).toEqual([0, 1]);
  });

  test("lets other tasks run when it drops elements of a source that never waits", async () => {
    let turnsTaken = 0;
    const endless = Enumerator.unfold(0, (n) => [n, n + 1]).through(Enumeratee.buffer(2, "dropOldest"));
    for await (const n of endless) {
      turnsTaken += 1;
      if (n > 5000) break;
      await turns(1);
    }
    expect(turnsTaken).toBeGreaterThan(2);
  });

  test("forwards an error after the buffered elements", async () => {
    const seen: number[] = [];
    const source = Enumeratee.buffer<number>(5)(new Probe([1, 2], { error }));
    expect(
      await errorOf(async () => {
        for await (const n of source) seen.push(n);
      }),
    ).toBe(error);
    expect(seen).toEqual([1, 2]);
  });
});

describe("grouped by an Iteratee", () => {
  test("forwards the Iteratee's errors, and refuses an Iteratee that consumes nothing", async () => {
    const probe = new Probe([1, 2]);
    const fails = Iteratee.forEach<number>(() => Promise.reject(error));
    expect(await errorOf(() => collect(Enumeratee.grouped(fails)(probe)))).toBe(error);
    expect(probe.returned).toBe(1);
    await expectCode(
      "ERR_OPTION",
      () => collect(numbers.through(Enumeratee.grouped(Iteratee.takeUpTo<number>(0)))),
      /completes without reading/,
    );
  });
});

describe("depth", () => {
  test("runs 10,000 adapters of every kind without a stack overflow", async () => {
    const many = <A>(make: () => Enumeratee<A, A>): Enumeratee<A, A> =>
      Enumeratee.compose(...Array.from({ length: 10_000 }, make));
    expect(await collect(numbers.through(many(() => Enumeratee.map((n: number) => n + 1))))).toEqual([
      10_001, 10_002, 10_003, 10_004, 10_005, 10_006,
    ]);
    expect(await collect(numbers.through(many(() => Enumeratee.mapAsync((n: number) => n + 1))))).toEqual([
      10_001, 10_002, 10_003, 10_004, 10_005, 10_006,
    ]);
    expect(await collect(numbers.through(many(() => Enumeratee.flatMap((n: number) => Enumerator.of(n)))))).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(await collect(numbers.through(many(() => Enumeratee.buffer<number>(2))))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await collect(numbers.through(many(() => Enumeratee.heading<number>())))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await collect(numbers.through(many(() => Enumeratee.recover<number>(() => numbers))))).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(await collect(numbers.through(many(() => (source) => Enumerator.defer(() => source))))).toEqual([
      1, 2, 3, 4, 5, 6,
    ]);
    expect(await collect(numbers.through(many(() => Enumeratee.timeout<number>(60_000))))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("runs and stops 10,000 nested adapters without a stack overflow", async () => {
    let one: Enumeratee<number, number> = Enumeratee.map((n: number) => n);
    for (let i = 0; i < 10_000; i += 1)
      one = Enumeratee.compose(
        one,
        Enumeratee.filter(() => true),
      );
    const probe = new Probe([1, 2, 3]);
    let chained = Enumerator.from(probe);
    for (let i = 0; i < 10_000; i += 1) chained = chained.through(Enumeratee.tap(() => undefined));
    for await (const _ of chained.through(one)) break;
    await turns();
    expect([probe.pulled, probe.returned]).toEqual([1, 1]);
  });

  test("runs sources nested 10,000 deep without a stack overflow", async () => {
    const flat = (n: number): EnumeratorType<number> =>
      n === 0 ? Enumerator.of(0) : Enumerator.of(n).through(Enumeratee.flatMap(() => flat(n - 1)));
    expect(await flat(10_000).run(Iteratee.collect())).toEqual([0]);
    const list = (n: number): EnumeratorType<number> =>
      n === 0
        ? Enumerator.empty()
        : Enumerator.concat(
            Enumerator.of(n),
            Enumerator.defer(() => list(n - 1)),
          );
    expect(await list(10_000).run(Iteratee.count())).toBe(10_000);
    expect(await collect(list(10_000).through(Enumeratee.take(9000)))).toHaveLength(9000);
  });

  test("passes a million ready elements, and an error, through 10,000 adapters", async () => {
    expect(await Enumerator.unfold(0, (n) => (n < 1_000_000 ? [n, n + 1] : undefined)).run(Iteratee.count())).toBe(
      1_000_000,
    );
    const all = await Promise.all([collect(Enumerator.unfold(0, (n) => (n < 100_000 ? [n, n + 1] : undefined)))]);
    expect(all[0]).toHaveLength(100_000);
    const deep = Enumeratee.compose<number>(...Array.from({ length: 10_000 }, () => Enumeratee.map((n: number) => n)));
    expect(await errorOf(() => collect(deep(Enumerator.fail(error))))).toBe(error);
  });
});

test("passes a first element through ten operators without a turn of the event loop", async () => {
  const ten = Enumeratee.compose(...Array.from({ length: 10 }, () => Enumeratee.map((n: number) => n + 1)));
  let turned = false;
  setImmediate(() => (turned = true));
  const [first] = await collect(numbers.through(ten).through(Enumeratee.take(1)));
  expect([first, turned]).toEqual([11, false]);
});
