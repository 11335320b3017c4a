import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Enumeratee, Enumerator, Iteratee, type WhenFull } from "../../src/index.ts";
import { failingNumbers, law, PacedSource, pacedNumbers, wait, type Pace } from "../support/paced.ts";
import { collect, turns } from "../support/sources.ts";

const runs = { numRuns: 300 };
type Adapter = Enumeratee<number, number>;

const f = (n: number): number => n * 3 - 1;
const g = (n: number): number => n * n;
const isEven = (n: number): boolean => n % 2 === 0;
const small = fc.integer({ min: 0, max: 12 });

/** Adapters of numbers, each with its equivalent on a list. */
const adapters: Record<string, { readonly adapter: () => Adapter; readonly model: (list: number[]) => number[] }> = {
  map: { adapter: () => Enumeratee.map(f), model: (list) => list.map(f) },
  mapAsync: {
    adapter: () =>
      Enumeratee.mapAsync(async (n) => wait((Math.abs(n) % 3) as Pace).then(() => f(n)), { concurrency: 3 }),
    model: (list) => list.map(f),
  },
  filter: { adapter: () => Enumeratee.filter(isEven), model: (list) => list.filter(isEven) },
  filterNot: { adapter: () => Enumeratee.filterNot(isEven), model: (list) => list.filter((n) => !isEven(n)) },
  collect: {
    adapter: () => Enumeratee.collect((n) => (isEven(n) ? g(n) : undefined)),
    model: (list) => list.filter(isEven).map(g),
  },
  take: { adapter: () => Enumeratee.take(7), model: (list) => list.slice(0, 7) },
  drop: { adapter: () => Enumeratee.drop(2), model: (list) => list.slice(2) },
  takeWhile: {
    adapter: () => Enumeratee.takeWhile((n) => n < 8),
    model: (list) =>
      list.slice(
        0,
        indexOr(list, (n) => n >= 8),
      ),
  },
  dropWhile: {
    adapter: () => Enumeratee.dropWhile((n) => n < 0),
    model: (list) => list.slice(indexOr(list, (n) => n >= 0)),
  },
  scan: {
    adapter: () => Enumeratee.scan(0, (sum, n) => sum + n),
    model: (list) => list.map((_, i) => list.slice(0, i + 1).reduce((a, b) => a + b, 0)),
  },
  mapConcat: { adapter: () => Enumeratee.mapConcat((n) => [n, f(n)]), model: (list) => list.flatMap((n) => [n, f(n)]) },
  flatMap: {
    adapter: () => Enumeratee.flatMap((n) => new PacedSource([n, g(n)], [(Math.abs(n) % 3) as Pace])),
    model: (list) => list.flatMap((n) => [n, g(n)]),
  },
  heading: { adapter: () => Enumeratee.heading(1, 2), model: (list) => [1, 2, ...list] },
  trailing: { adapter: () => Enumeratee.trailing(3, 4), model: (list) => [...list, 3, 4] },
  tap: { adapter: () => Enumeratee.tap(() => undefined), model: (list) => list },
  distinct: {
    adapter: () => Enumeratee.distinctUntilChanged(),
    model: (list) => list.filter((n, i) => i === 0 || n !== list[i - 1]),
  },
  buffer: { adapter: () => Enumeratee.buffer(3), model: (list) => list },
  grouped: {
    adapter: () =>
      Enumeratee.compose(
        Enumeratee.grouped<number>(3),
        Enumeratee.map((group) => group.reduce((a, b) => a + b, 0)),
      ),
    model: (list) => list.flatMap((_, i) => (i % 3 === 0 ? [list.slice(i, i + 3).reduce((a, b) => a + b, 0)] : [])),
  },
  groupedByIteratee: {
    adapter: () =>
      Enumeratee.grouped(Iteratee.map(Iteratee.takeUpTo<number>(2), async (pair) => wait(1).then(() => pair.length))),
    model: (list) => list.flatMap((_, i) => (i % 2 === 0 ? [Math.min(2, list.length - i)] : [])),
  },
  recover: { adapter: () => Enumeratee.recover(() => Enumerator.of(99)), model: (list) => list },
  onDone: { adapter: () => Enumeratee.onDone(() => undefined), model: (list) => list },
  timeout: { adapter: () => Enumeratee.timeout(60_000), model: (list) => list },
  abortable: { adapter: () => Enumeratee.abortable(new AbortController().signal), model: (list) => list },
};

function indexOr(list: readonly number[], predicate: (n: number) => boolean): number {
  const index = list.findIndex(predicate);
  return index < 0 ? list.length : index;
}

const names = Object.keys(adapters);
const pipeline = fc.array(fc.constantFrom(...names), { maxLength: 6 });
const build = (chain: readonly string[]): Adapter =>
  Enumeratee.compose(...chain.map((name) => (adapters[name] as (typeof adapters)[string]).adapter()));
const model = (chain: readonly string[], list: readonly number[]): number[] =>
  chain.reduce((so, name) => (adapters[name] as (typeof adapters)[string]).model(so), [...list]);

/** Reads some elements, then stops. */
async function readSome(source: AsyncIterable<unknown>, count: number): Promise<number> {
  const iterator = source[Symbol.asyncIterator]();
  let read = 0;
  while (read < count && (await iterator.next()).done !== true) read += 1;
  await iterator.return?.();
  return read;
}

/** A source was opened at most once, released exactly as often, and never used out of order. */
function expectLetGo(source: PacedSource<number>): void {
  expect(source.faults).toEqual([]);
  expect(source.opened).toBeLessThanOrEqual(1);
  // A source that ends at the moment its reader leaves may be released as well.
  if (source.finished === 0) expect(source.returned).toBe(source.opened);
}

describe("equalities", () => {
  const equal = (
    name: string,
    left: (s: PacedSource<number>, n: number) => AsyncIterable<unknown>,
    right: (s: PacedSource<number>, n: number) => AsyncIterable<unknown>,
  ): void => {
    test(name, async () => {
      await fc.assert(
        law([pacedNumbers, small], async (source, n) => {
          expect(await collect(left(source, n))).toEqual(await collect(right(source, n)));
        }),
        runs,
      );
    });
  };

  equal(
    "map identity",
    Enumeratee.map((n) => n),
    (s) => s,
  );
  equal(
    "map composition",
    Enumeratee.compose(Enumeratee.map(f), Enumeratee.map(g)),
    Enumeratee.map((n: number) => g(f(n))),
  );
  equal(
    "filter and map commute",
    Enumeratee.compose(Enumeratee.map(f), Enumeratee.filter(isEven)),
    Enumeratee.compose(
      Enumeratee.filter((n: number) => isEven(f(n))),
      Enumeratee.map(f),
    ),
  );
  equal(
    "take and drop are complements",
    (s, n) => Enumerator.concat(Enumeratee.take<number>(n)(s), Enumeratee.drop<number>(n)(s)),
    (s) => s,
  );
  equal(
    "filter and filterNot are complements in number",
    async function* (s) {
      const [yes, no] = await Promise.all([
        collect(Enumeratee.filter(isEven)(s)),
        collect(Enumeratee.filterNot(isEven)(s)),
      ]);
      yield yes.length + no.length;
    },
    async function* (s) {
      yield (await collect(s)).length;
    },
  );
  equal(
    "concat is associative",
    (s) => Enumerator.concat(Enumerator.concat(s, s), s),
    (s) => Enumerator.concat(s, Enumerator.concat(s, s)),
  );
  equal(
    "an empty source is concat's identity",
    (s) => Enumerator.concat(Enumerator.empty<number>(), s, Enumerator.empty<number>()),
    (s) => s,
  );
  equal(
    "flatMap of single elements is map",
    Enumeratee.flatMap((n) => Enumerator.of(f(n))),
    Enumeratee.map(f),
  );
  equal(
    "flatMap is associative",
    Enumeratee.compose(
      Enumeratee.flatMap((n: number) => Enumerator.of(n, f(n))),
      Enumeratee.flatMap((n) => Enumerator.of(n, g(n))),
    ),
    Enumeratee.flatMap((n: number) =>
      Enumerator.of(n, f(n)).through(Enumeratee.flatMap((m) => Enumerator.of(m, g(m)))),
    ),
  );
  equal(
    "the last of scan is fold",
    (s) =>
      Enumerator.defer(async () => [
        await Enumerator.from(s)
          .through(Enumeratee.scan(0, (a, b) => a + b))
          .through(Enumeratee.heading(0))
          .run(Iteratee.last()),
      ]),
    (s) => Enumerator.defer(async () => [await Enumerator.from(s).run(Iteratee.fold(0, (a, b) => a + b))]),
  );
  equal(
    "defer, from and toReadableStream change nothing",
    (s) => Enumerator.defer(() => Enumerator.from(s).toReadableStream({ highWaterMark: 2 })),
    (s) => s,
  );
  equal(
    "zip with itself is pairs",
    (s) => Enumerator.zip(s, s),
    Enumeratee.map((n) => [n, n]),
  );

  test("compose is associative", async () => {
    await fc.assert(
      law([pacedNumbers, pipeline, pipeline, pipeline], async (source, a, b, c) => {
        const left = Enumeratee.compose(Enumeratee.compose(build(a), build(b)), build(c));
        const right = Enumeratee.compose(build(a), Enumeratee.compose(build(b), build(c)));
        expect(await collect(left(source))).toEqual(await collect(right(source)));
      }),
      runs,
    );
  });

  test("every chain of adapters transforms a stream as it transforms a list", async () => {
    await fc.assert(
      law([pacedNumbers, pipeline], async (source, chain) => {
        expect(await collect(build(chain)(source))).toEqual(model(chain, source.elements));
        expectLetGo(source);
      }),
      { numRuns: 1000 },
    );
  });
});

test("gives a chain of adapters the same result for every split of a stream into synchronous runs", async () => {
  const stretches = fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 6 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      stretches,
      fc.array(fc.constantFrom<Pace>(0, 1, 2), { maxLength: 4 }),
      pipeline,
      async (lists, paces, chain) => {
        const whole = lists.flat();
        const expected = model(chain, whole);
        const cut = Enumeratee.mapConcat((list: readonly number[]) => list)(new PacedSource(lists, paces));
        expect(await collect(build(chain)(cut))).toEqual(expected);
        expect(await collect(build(chain)(Enumerator.from(whole)))).toEqual(expected);
        expect(await Enumerator.from(whole).through(build(chain)).run(Iteratee.collect())).toEqual(expected);
        expect(
          await collect(Enumerator.from(cut).through(build(chain)).toReadableStream({ highWaterMark: 3 })),
        ).toEqual(expected);
      },
    ),
    runs,
  );
});

describe("interleave", () => {
  test("keeps each side's order and loses nothing", async () => {
    await fc.assert(
      law([fc.array(pacedNumbers, { maxLength: 4 })], async (sources) => {
        const tagged = sources.map((source, i) => Enumeratee.map((n: number) => [i, n] as const)(source));
        const all = await collect(Enumerator.interleave(...tagged));
        for (const [i, source] of sources.entries()) {
          expect(all.filter(([tag]) => tag === i).map(([, n]) => n)).toEqual(source.elements);
          expectLetGo(source);
        }
        expect(all).toHaveLength(sources.reduce((sum, { elements }) => sum + elements.length, 0));
      }),
      runs,
    );
  });
});

describe("buffer", () => {
  test("never holds more than its bound, and counts every drop", async () => {
    const policies = fc.constantFrom<(WhenFull | "backpressure")[]>(
      "backpressure",
      "dropOldest",
      "dropNewest",
      "latest",
    );
    await fc.assert(
      law(
        [
          pacedNumbers,
          fc.integer({ min: 1, max: 5 }),
          policies,
          fc.array(fc.constantFrom<Pace>(0, 1, 2), { minLength: 1, maxLength: 5 }),
        ],
        async (source, capacity, policy, paces) => {
          const dropped: (readonly [number, number])[] = [];
          const seen: (readonly [number, number])[] = [];
          let given = 0;
          const numbered = Enumeratee.map((n: number) => {
            given += 1;
            return [given, n] as const;
          })(source);
          const iterator = Enumeratee.buffer<readonly [number, number]>(capacity, policy, (element) =>
            dropped.push(element),
          )(numbered)[Symbol.asyncIterator]();
          for (let i = 0; ; i += 1) {
            const result = await iterator.next();
            if (result.done === true) break;
            seen.push(result.value);
            // Elements that were pushed but neither read nor dropped are still buffered.
            expect(given - seen.length - dropped.length).toBeLessThanOrEqual(capacity);
            await wait(paces[i % paces.length] ?? 0);
            expect(given - seen.length - dropped.length).toBeLessThanOrEqual(capacity);
          }
          const order = seen.map(([at]) => at);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
          expect([...seen, ...dropped].map(([at]) => at).sort((a, b) => a - b)).toEqual(
            source.elements.map((_, i) => i + 1),
          );
          if (policy === "backpressure") expect(dropped).toEqual([]);
          expectLetGo(source);
        },
      ),
      runs,
    );
  });
});

describe("errors", () => {
  test("surface exactly once, after the elements before them", async () => {
    const chains = fc.array(
      fc.constantFrom(...names.filter((name) => name !== "recover" && !name.startsWith("take"))),
      { maxLength: 5 },
    );
    await fc.assert(
      law([failingNumbers, chains], async (source, chain) => {
        const iterator = build(chain)(source)[Symbol.asyncIterator]();
        const errors: unknown[] = [];
        let ends = 0;
        for (let i = 0; i < 400 && ends < 3; i += 1) {
          const result = await iterator.next().catch((error: unknown) => void errors.push(error));
          if (result?.done === true) ends += 1;
        }
        expect(errors.map((error) => (error as Error).message)).toEqual(["the source failed"]);
        expectLetGo(source);
      }),
      runs,
    );
  });

  test("stop the other sources when one fails", async () => {
    await fc.assert(
      law([failingNumbers, pacedNumbers, fc.constantFrom("interleave", "concat")], async (failing, other, how) => {
        const source =
          how === "interleave"
            ? Enumerator.interleave<number>(other, failing)
            : Enumerator.concat<number>(failing, other);
        const outcome = await collect(source).catch((error: unknown) => error);
        expect(outcome).toBeInstanceOf(Error);
        await turns(3);
        expectLetGo(failing);
        expectLetGo(other);
      }),
      runs,
    );
  });
});

describe("an early stop", () => {
  test("reaches every source exactly once, and nothing is pulled after it", async () => {
    const sources = fc.array(pacedNumbers, { minLength: 1, maxLength: 3 });
    const combine = fc.constantFrom("concat", "interleave", "zip");
    await fc.assert(
      law([sources, combine, pipeline, small], async (all, how, chain, count) => {
        const combined =
          how === "concat"
            ? Enumerator.concat<number>(...all)
            : how === "interleave"
              ? Enumerator.interleave<number>(...all)
              : Enumerator.zip(...all).through(Enumeratee.map(([n]) => n as number));
        await readSome(build(chain)(combined), count);
        const pulled = all.map((source) => source.pulled);
        await turns(4);
        expect(all.map((source) => source.pulled)).toEqual(pulled);
        all.forEach(expectLetGo);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("demand", () => {
  test("never pulls a source more often than the demand allows", async () => {
    // Adapters that emit one element for each input, and prefetch none.
    const oneForOne = ["map", "scan", "tap", "recover", "onDone", "timeout", "abortable"];
    await fc.assert(
      law(
        [pacedNumbers, fc.array(fc.constantFrom(...oneForOne), { maxLength: 6 }), small],
        async (source, chain, count) => {
          const iterator = build(chain)(source)[Symbol.asyncIterator]();
          for (let asked = 1; asked <= count; asked += 1) {
            if ((await iterator.next()).done === true) return;
            await turns(1);
            expect(source.pulled).toBe(asked);
          }
          await iterator.return?.();
        },
      ),
      runs,
    );
  });

  test("zip and interleave prefetch at most one element of each source", async () => {
    await fc.assert(
      law([pacedNumbers, pacedNumbers, small], async (a, b, count) => {
        for (const source of [Enumerator.zip(a, b), Enumerator.interleave<number>(a, b)]) {
          const before = a.pulled + b.pulled;
          const iterator = source[Symbol.asyncIterator]();
          for (let asked = 1; asked <= count; asked += 1) {
            if ((await iterator.next()).done === true) break;
            await turns(1);
            expect(a.pulled + b.pulled - before).toBeLessThanOrEqual(2 * asked + 2);
          }
          await iterator.return?.();
        }
      }),
      runs,
    );
  });
});
