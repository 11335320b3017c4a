import { describe, expect, test, vi } from "vitest";
import { Enumeratee, Enumerator, type Channel } from "../../../src/index.ts";
import { collect, errorOf, expectCode, turns } from "../../support/sources.ts";

describe("unfold", () => {
  test("computes elements from a state, anew in each run", async () => {
    const countdown = Enumerator.unfold(3, (n) => (n > 0 ? [`${n}`, n - 1] : undefined));
    expect(await collect(countdown)).toEqual(["3", "2", "1"]);
    expect(await collect(countdown)).toEqual(["3", "2", "1"]);
  });

  test("calls its step once for each requested element", async () => {
    const step = vi.fn((n: number): readonly [number, number] => [n, n + 1]);
    expect(await collect(Enumerator.unfold(0, step).through(Enumeratee.take(3)))).toEqual([0, 1, 2]);
    expect(step).toHaveBeenCalledTimes(3);
  });

  test("forwards an error that its step throws", async () => {
    const error = new Error("broken");
    const source = Enumerator.unfold(0, () => {
      throw error;
    });
    expect(await errorOf(() => collect(source))).toBe(error);
    await expectCode("ERR_OPTION", () => Enumerator.unfold(0, 5 as never));
  });
});

describe("unfoldAsync", () => {
  test("awaits its step", async () => {
    const source = Enumerator.unfoldAsync(2, (n) => turns(1).then(() => (n > 0 ? ([n, n - 1] as const) : undefined)));
    expect(await collect(source)).toEqual([2, 1]);
    expect(await collect(source)).toEqual([2, 1]);
  });

  test("aborts a pending step when the reader stops", async () => {
    let signal: AbortSignal | undefined;
    const source = Enumerator.unfoldAsync(0, (_, given) => {
      signal = given;
      return new Promise<undefined>(() => undefined);
    });
    const iterator = source[Symbol.asyncIterator]();
    void iterator.next();
    expect(signal?.aborted).toBe(false);
    await iterator.return?.();
    expect(signal?.aborted).toBe(true);
  });

  test("forwards a rejection", async () => {
    const error = new Error("broken");
    expect(await errorOf(() => collect(Enumerator.unfoldAsync(0, () => Promise.reject(error))))).toBe(error);
    await expectCode("ERR_OPTION", () => Enumerator.unfoldAsync(0, undefined as never));
  });
});

describe("interval", () => {
  test("counts its periods", async () => {
    vi.useFakeTimers();
    try {
      const iterator = Enumerator.interval(100)[Symbol.asyncIterator]();
      const first = iterator.next();
      await vi.advanceTimersByTimeAsync(99);
      expect(await Promise.race([first, Promise.resolve("waiting")])).toBe("waiting");
      await vi.advanceTimersByTimeAsync(1);
      expect(await first).toEqual({ done: false, value: 0 });
      await vi.advanceTimersByTimeAsync(350);
      expect(await iterator.next()).toEqual({ done: false, value: 3 });
      expect(vi.getTimerCount()).toBe(1);
      await iterator.return?.();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test.each([0, -1, 1.5, NaN, 2 ** 31, "5"])("refuses a period of %s", async (period) => {
    await expectCode("ERR_OPTION", () => Enumerator.interval(period as number), /whole number from 1 to 2147483647/);
  });
});

describe("unicast", () => {
  test("gives each run its own channel, and calls each clean-up once", async () => {
    const channels: Channel<number>[] = [];
    const cleaned: number[] = [];
    const source = Enumerator.unicast<number>((channel) => {
      const run = channels.push(channel);
      return () => cleaned.push(run);
    });
    expect(channels).toHaveLength(0);
    const first = collect(source);
    const second = source[Symbol.asyncIterator]();
    const waiting = second.next();
    expect(channels).toHaveLength(2);
    for (const channel of channels) expect(channel.push(1)).toBe(true);
    channels[0]?.push(2);
    channels[0]?.end();
    expect(await first).toEqual([1, 2]);
    expect(await waiting).toEqual({ done: false, value: 1 });
    expect(cleaned).toEqual([1]);
    await second.return?.();
    await second.return?.();
    expect(cleaned).toEqual([1, 2]);
    expect(channels[1]?.push(3)).toBe(false);
    expect(() => channels[1]?.end()).not.toThrow();
  });

  test("buffers elements pushed before it is read, and delivers them before an end or a failure", async () => {
    const error = new Error("broken");
    const seen: number[] = [];
    const source = Enumerator.unicast<number>((channel) => {
      channel.push(1);
      channel.push(2);
      channel.fail(error);
    });
    const failure = await errorOf(async () => {
      for await (const n of source) seen.push(n);
    });
    expect(failure).toBe(error);
    expect(seen).toEqual([1, 2]);
  });

  test("fails with ERR_OVERFLOW after the buffered elements when its reader lags too far", async () => {
    const taken: boolean[] = [];
    const seen: number[] = [];
    const source = Enumerator.unicast<number>(
      (channel) => {
        for (let i = 0; i < 5; i += 1) taken.push(channel.push(i));
        channel.end();
      },
      { capacity: 3 },
    );
    await expectCode("ERR_OVERFLOW", async () => {
      for await (const n of source) seen.push(n);
    });
    expect(taken).toEqual([true, true, true, false, false]);
    expect(seen).toEqual([0, 1, 2]);
  });

  test("applies backpressure to a producer", async () => {
    let ready = 0;
    const source = Enumerator.unicast<number>(
      (channel) => {
        void (async () => {
          for (let i = 0; i < 100; i += 1) {
            await channel.ready();
            ready += 1;
            if (!channel.push(i)) return;
          }
          channel.end();
        })();
      },
      { capacity: 1 },
    );
    const iterator = source[Symbol.asyncIterator]();
    await iterator.next();
    await turns();
    expect(ready).toBe(2);
    await iterator.return?.();
    await turns();
    expect(ready).toBe(3);
    expect(await collect(source)).toHaveLength(100);
  });

  test("refuses elements after its end", async () => {
    let channel: Channel<number> | undefined;
    const iterator = Enumerator.unicast<number>((given) => {
      channel = given;
    })[Symbol.asyncIterator]();
    const next = iterator.next();
    channel?.end();
    await expectCode("ERR_CHANNEL_ENDED", () => channel?.push(1), /channel\.push\(\)/);
    await expectCode("ERR_CHANNEL_ENDED", () => channel?.end(), /channel\.end\(\)/);
    await expectCode("ERR_CHANNEL_ENDED", () => channel?.fail(1), /channel\.fail\(\)/);
    expect(await next).toEqual({ done: true, value: undefined });
    await expectCode("ERR_CHANNEL_ENDED", () => channel?.push(1));
  });

  test("forwards errors that onStart and the clean-up throw", async () => {
    const error = new Error("broken");
    const fail = (): never => {
      throw error;
    };
    expect(await errorOf(() => collect(Enumerator.unicast(fail)))).toBe(error);
    const iterator = Enumerator.unicast<number>((channel) => {
      channel.push(1);
      return fail;
    })[Symbol.asyncIterator]();
    await iterator.next();
    expect(await errorOf(() => iterator.return?.())).toBe(error);
    const ending = Enumerator.unicast<number>((channel) => {
      channel.end();
      return fail;
    });
    expect(await errorOf(() => collect(ending))).toBe(error);
  });

  test("accepts elements pushed from its own pipeline", async () => {
    let channel: Channel<number> | undefined;
    const source = Enumerator.unicast<number>((given) => {
      channel = given;
      given.push(3);
    }).through(
      Enumeratee.filter((n) => {
        if (n === 0) channel?.end();
        else channel?.push(n - 1);
        return n % 2 === 1;
      }),
    );
    expect(await collect(source)).toEqual([3, 1]);
  });

  test.each([0, 1_000_001, 2.5])("refuses a capacity of %s", async (capacity) => {
    await expectCode("ERR_OPTION", () => Enumerator.unicast(() => undefined, { capacity }));
  });
});
