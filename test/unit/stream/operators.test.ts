import { describe, expect, test, vi } from "vitest";
import { Enumeratee, Enumerator } from "../../../src/index.ts";
import { collect, errorOf, expectCode, Probe, turns } from "../../support/sources.ts";

const numbers = Enumerator.of(1, 2, 3, 4, 5, 6);

describe("every operator", () => {
  const operators = {
    map: Enumeratee.map((n: number) => n),
    mapAsync: Enumeratee.mapAsync((n: number) => Promise.resolve(n)),
    filter: Enumeratee.filter((n: number) => n > 0),
    take: Enumeratee.take<number>(100),
    heading: Enumeratee.heading<number>(),
    compose: Enumeratee.compose(
      Enumeratee.map((n: number) => n),
      Enumeratee.take(100),
    ),
  };
  const each = Object.entries(operators);

  test.each(each)("%s can be called on any AsyncIterable", async (_, operator) => {
    expect(await collect(operator(new Probe([1, 2, 3])))).toEqual([1, 2, 3]);
  });

  test.each(each)("%s stops its source once when the reader leaves", async (_, operator) => {
    const probe = new Probe([1, 2, 3]);
    for await (const _ of operator(probe)) break;
    expect([probe.pulled, probe.returned]).toEqual([1, 1]);
  });

  test.each(each)("%s forwards the error of its source after the elements before it", async (_, operator) => {
    const error = new Error("broken");
    const seen: number[] = [];
    const failure = await errorOf(async () => {
      for await (const n of operator(new Probe([1, 2], { error }))) seen.push(n);
    });
    expect([failure, seen]).toEqual([error, [1, 2]]);
  });

  test.each(each)("%s runs anew each time it is read", async (_, operator) => {
    const source = operator(numbers);
    expect(await collect(source)).toEqual(await collect(source));
  });
});

test("applies an adapter with through", async () => {
  expect(await collect(numbers.through(Enumeratee.map((n) => `<${n}>`)).through(Enumeratee.take(2)))).toEqual([
    "<1>",
    "<2>",
  ]);
});

test("composes adapters from left to right", async () => {
  const adapter = Enumeratee.compose(
    Enumeratee.filter((n: number) => n % 2 === 0),
    Enumeratee.map((n) => n * 10),
    Enumeratee.take(2),
    Enumeratee.heading(0),
    Enumeratee.map((n) => `${n}`),
  );
  expect(await collect(numbers.through(adapter))).toEqual(["0", "20", "40"]);
});

test.each([
  ["map", Enumeratee.map],
  ["filter", Enumeratee.filter],
  ["mapAsync", Enumeratee.mapAsync],
])("%s stops its source and forwards the error when its function throws", async (_, operator) => {
  const error = new Error("broken");
  const probe = new Probe([1, 2, 3]);
  const fail = (): never => {
    throw error;
  };
  expect(await errorOf(() => collect((operator as typeof Enumeratee.map)(fail)(probe)))).toBe(error);
  expect([probe.pulled, probe.returned]).toEqual([1, 1]);
  await expectCode("ERR_OPTION", () => (operator as (f: unknown) => unknown)("x"), /must be a function/);
});

describe("take", () => {
  test("stops its source, and pulls nothing beyond its count", async () => {
    const probe = new Probe([1, 2, 3]);
    expect(await collect(Enumeratee.take<number>(2)(probe))).toEqual([1, 2]);
    expect([probe.pulled, probe.returned]).toEqual([2, 1]);
    const untouched = new Probe([1]);
    expect(await collect(Enumeratee.take<number>(0)(untouched))).toEqual([]);
    expect(untouched.pulled).toBe(0);
  });

  test("forwards the error that its source's clean-up throws", async () => {
    const error = new Error("cannot clean up");
    async function* source(): AsyncGenerator<number> {
      try {
        await Promise.resolve();
        yield 1;
        yield 2;
      } finally {
        throw error;
      }
    }
    expect(await errorOf(() => collect(Enumerator.from(source()).through(Enumeratee.take(1))))).toBe(error);
  });

  test.each([-1, 0.5, NaN, Infinity])("refuses a count of %s", async (count) => {
    await expectCode("ERR_OPTION", () => Enumeratee.take(count));
  });
});

describe("heading", () => {
  test("opens its source only after its own elements", async () => {
    const probe = new Probe([3]);
    const iterator = Enumeratee.heading(1, 2)(probe)[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    expect(probe.opened).toBe(0);
    expect((await iterator.next()).value).toBe(3);
  });
});

describe("mapAsync", () => {
  test("keeps the order, and runs at most `concurrency` calls at once", async () => {
    let underWay = 0;
    let most = 0;
    const source = numbers.through(
      Enumeratee.mapAsync(
        async (n) => {
          most = Math.max(most, (underWay += 1));
          await turns(10 - n);
          underWay -= 1;
          return n;
        },
        { concurrency: 3 },
      ),
    );
    expect(await collect(source)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(most).toBe(3);
  });

  test("awaits one call at a time by default, and accepts synchronous results", async () => {
    const started: number[] = [];
    const iterator = numbers.through(Enumeratee.mapAsync((n) => started.push(n)))[Symbol.asyncIterator]();
    await iterator.next();
    expect(started).toEqual([1]);
  });

  test("forwards a rejection in its element's place, and starts nothing after it", async () => {
    const error = new Error("broken");
    const f = vi.fn(async (n: number) => {
      await turns(n === 1 ? 5 : 0);
      if (n === 2) throw error;
      return n;
    });
    const probe = new Probe([1, 2, 3, 4]);
    const seen: number[] = [];
    const failure = await errorOf(async () => {
      for await (const n of Enumeratee.mapAsync(f, { concurrency: 2 })(probe)) seen.push(n);
    });
    expect([failure, seen]).toEqual([error, [1]]);
    expect(f).toHaveBeenCalledTimes(2);
    expect([probe.pulled, probe.returned]).toEqual([2, 1]);
  });

  test("forwards an error while its source waits for ever", async () => {
    const error = new Error("broken");
    async function* source(): AsyncGenerator<number> {
      yield 1;
      await new Promise(() => undefined);
    }
    const failing = Enumeratee.mapAsync<number, number>(() => turns().then(() => Promise.reject(error)), {
      concurrency: 2,
    });
    expect(await errorOf(() => collect(failing(source())))).toBe(error);
  });

  test("aborts its function when the run ends, and drops later results", async () => {
    let signal: AbortSignal | undefined;
    let reject: (error: Error) => void = () => undefined;
    const iterator = numbers
      .through(
        Enumeratee.mapAsync((_, given) => {
          signal = given;
          return new Promise<number>((_, no) => (reject = no));
        }),
      )
      [Symbol.asyncIterator]();
    const waiting = iterator.next();
    expect(signal?.aborted).toBe(false);
    await iterator.return?.();
    expect(signal?.aborted).toBe(true);
    reject(new Error("too late"));
    expect(await waiting).toEqual({ done: true, value: undefined });
    await turns();
  });

  test.each([0, 65_537, 1.5])("refuses a concurrency of %s", async (concurrency) => {
    await expectCode("ERR_OPTION", () => Enumeratee.mapAsync((n) => n, { concurrency }));
  });
});
