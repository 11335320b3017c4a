import { EventEmitter } from "node:events";
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { lastValueFrom, from as rxFrom, map as rxMap, range as rxRange, Subject, throwError as rxThrow } from "rxjs";
import { describe, expect, test, vi } from "vitest";
import { Enumeratee, Enumerator, Iteratee, type Channel, type PatchPanel } from "../../../src/index.ts";
import { collect, errorOf, expectCode, Probe, turns } from "../../support/sources.ts";

describe("empty, never, fail", () => {
  test("end, wait and fail", async () => {
    expect(await collect(Enumerator.empty())).toEqual([]);
    const error = new Error("broken");
    expect(await errorOf(() => collect(Enumerator.fail(error)))).toBe(error);
    const iterator = Enumerator.never()[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await turns();
    await iterator.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe("repeat, repeatAsync, generateAsync", () => {
  test("call their function once for each requested element", async () => {
    let n = 0;
    const make = vi.fn(() => (n += 1));
    expect(await collect(Enumerator.repeat(make).through(Enumeratee.take(3)))).toEqual([1, 2, 3]);
    expect(await collect(Enumerator.repeatAsync(async () => turns(1).then(make)).through(Enumeratee.take(2)))).toEqual([
      4, 5,
    ]);
    const generated = Enumerator.generateAsync(async () => turns(1).then(() => (n < 7 ? make() : undefined)));
    expect(await collect(generated)).toEqual([6, 7]);
    expect(make).toHaveBeenCalledTimes(7);
  });

  test("abort a pending function when the reader stops", async () => {
    for (const source of ["repeatAsync", "generateAsync"] as const) {
      let signal: AbortSignal | undefined;
      const iterator = Enumerator[source]((given) => {
        signal = given;
        return new Promise<number>(() => undefined);
      })[Symbol.asyncIterator]();
      void iterator.next();
      await iterator.return?.();
      expect(signal?.aborted).toBe(true);
    }
  });

  test.each(["repeat", "repeatAsync", "generateAsync", "defer"] as const)(
    "%s forwards errors, and refuses an argument that is not a function",
    async (name) => {
      const error = new Error("broken");
      const fail = (): never => {
        throw error;
      };
      expect(await errorOf(() => collect(Enumerator[name](fail)))).toBe(error);
      await expectCode("ERR_OPTION", () => Enumerator[name](5 as never));
    },
  );
});

test("timer emits 0 once, and leaves no timer behind", async () => {
  vi.useFakeTimers();
  try {
    const source = Enumerator.timer(100);
    expect(vi.getTimerCount()).toBe(0);
    const all = collect(source);
    await vi.advanceTimersByTimeAsync(100);
    expect(await all).toEqual([0]);
    const iterator = source[Symbol.asyncIterator]();
    void iterator.next();
    expect(vi.getTimerCount()).toBe(1);
    await iterator.return?.();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
  await expectCode("ERR_OPTION", () => Enumerator.timer(-1));
});

describe("defer", () => {
  test("creates a source for each run when it is pulled", async () => {
    const make = vi.fn(function* () {
      yield 1;
      yield 2;
    });
    const source = Enumerator.defer(make);
    expect(make).not.toHaveBeenCalled();
    expect([await collect(source), await collect(source)]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(make).toHaveBeenCalledTimes(2);
  });

  test("awaits a promise of a source, and forwards its rejection", async () => {
    expect(await collect(Enumerator.defer(async () => turns(1).then(() => [1, 2])))).toEqual([1, 2]);
    const error = new Error("broken");
    expect(await errorOf(() => collect(Enumerator.defer(() => Promise.reject(error))))).toBe(error);
    await expectCode("ERR_SOURCE", () => collect(Enumerator.defer(() => 5 as never)));
    await expectCode("ERR_SOURCE", () => collect(Enumerator.defer(() => Promise.resolve(5 as never))));
  });

  test("opens nothing when its reader leaves before the promise resolves", async () => {
    const probe = new Probe([1]);
    let resolve: (source: Probe<number>) => void = () => undefined;
    const iterator = Enumerator.defer(() => new Promise<Probe<number>>((yes) => (resolve = yes)))[
      Symbol.asyncIterator
    ]();
    void iterator.next();
    await iterator.return?.();
    resolve(probe);
    await turns();
    expect(probe.opened).toBe(0);
  });
});

describe("concat", () => {
  test("opens each source when the previous source has ended and cleaned up", async () => {
    const log: string[] = [];
    const source = (name: string): Enumerator<string> =>
      Enumerator.defer(() => {
        log.push(`open ${name}`);
        return Enumerator.of(name).through(Enumeratee.onDone(({ how }) => log.push(`${how} ${name}`)));
      });
    expect(await collect(Enumerator.concat(source("a"), source("b")))).toEqual(["a", "b"]);
    expect(log).toEqual(["open a", "ended a", "open b", "ended b"]);
  });

  test("forwards the error that a source's clean-up throws", async () => {
    const error = new Error("cannot clean up");
    const unclean = Enumerator.of(1, 2)
      .through(Enumeratee.take(1))
      .through(
        Enumeratee.onDone(() => {
          throw error;
        }),
      );
    const seen: number[] = [];
    expect(
      await errorOf(async () => {
        for await (const n of Enumerator.concat(unclean, Enumerator.of(3))) seen.push(n);
      }),
    ).toBe(error);
    expect(seen).toEqual([1]);
  });
});

describe("interleave and zip", () => {
  test("take whichever element is ready", async () => {
    const channels: Channel<string>[] = [];
    const fed = (): Enumerator<string> => Enumerator.unicast((channel) => void channels.push(channel));
    const iterator = Enumerator.interleave(fed(), fed(), Enumerator.of("c"))[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe("c");
    const next = iterator.next();
    channels[1]?.push("b");
    expect((await next).value).toBe("b");
    channels[1]?.end();
    channels[0]?.push("a");
    expect((await iterator.next()).value).toBe("a");
    channels[0]?.end();
    expect((await iterator.next()).done).toBe(true);
    expect(await collect(Enumerator.interleave())).toEqual([]);
  });

  test("take turns when all sources are ready", async () => {
    expect(await collect(Enumerator.interleave(Enumerator.of(1, 2, 3), Enumerator.of(10, 20)))).toEqual([
      1, 10, 2, 20, 3,
    ]);
  });

  test("zip ends with the shortest and stops the others", async () => {
    const long = new Probe(["a", "b", "c", "d"]);
    const zipped: Enumerator<[number, string]> = Enumerator.zip(Enumerator.of(1, 2), long);
    expect(await collect(zipped)).toEqual([
      [1, "a"],
      [2, "b"],
    ]);
    expect(long.returned).toBe(1);
    expect(await collect(Enumerator.zip())).toEqual([]);
  });

  test("let one source push to another", async () => {
    let channel: Channel<number> | undefined;
    const fed = Enumerator.unicast<number>((given) => {
      channel = given;
    });
    const feeding = Enumerator.of(1, 2, 3).through(Enumeratee.filter((n) => channel?.push(n) === undefined));
    const waiting = Enumerator.concat(feeding, Enumerator.never<number>());
    expect(await Enumerator.interleave(fed, waiting).run(Iteratee.takeUpTo(3))).toEqual([1, 2, 3]);
  });

  test("close all sources, and report the first error of their clean-ups", async () => {
    const [one, two] = [new Error("one"), new Error("two")];
    const probe = new Probe([1, 2, 3]);
    const fails = (error: Error) =>
      Enumeratee.onDone<number>(() => {
        throw error;
      });
    const source = Enumerator.interleave(fails(one)(new Probe([1, 2])), fails(two)(Enumerator.of(1, 2)), probe);
    const iterator = source[Symbol.asyncIterator]();
    await iterator.next();
    const error = await errorOf(() => iterator.return?.());
    expect([one, two]).toContain(error);
    expect(probe.returned).toBe(1);
    const immediate = Enumerator.zip(fails(one)(Enumerator.of(1)), fails(two)(Enumerator.of(1)))[
      Symbol.asyncIterator
    ]();
    await immediate.next();
    expect(await errorOf(() => immediate.return?.())).toBe(one);
  });

  test("close the open sources when one cannot be opened", async () => {
    const probe = new Probe([1]);
    const bad = {
      [Symbol.asyncIterator]: () => {
        throw new Error("cannot open");
      },
    } as unknown as AsyncIterable<number>;
    for (const source of [Enumerator.zip(probe, bad), Enumerator.interleave(probe, bad)]) {
      expect(await errorOf(() => collect(source as AsyncIterable<unknown>))).toMatchObject({ message: "cannot open" });
    }
    expect([probe.opened, probe.returned, probe.pulled]).toEqual([2, 2, 0]);
  });
});

describe("push sources", () => {
  test("emit the events of an EventTarget until the reader leaves", async () => {
    const target = new EventTarget();
    const iterator = Enumerator.fromEvent<Event>(target, "tick")[Symbol.asyncIterator]();
    target.dispatchEvent(new Event("tick"));
    const first = iterator.next();
    const event = new Event("tick");
    target.dispatchEvent(event);
    expect((await first).value).toBe(event);
    await iterator.return?.();
    target.dispatchEvent(new Event("tick"));
    expect((await iterator.next()).done).toBe(true);
  });

  test("emit the events of an EventEmitter, fail on its error, and leave no listener", async () => {
    const emitter = new EventEmitter();
    const all: unknown[] = [];
    const error = new Error("broken");
    const reading = errorOf(async () => {
      for await (const value of Enumerator.fromEvent(emitter, "data")) all.push(value);
    });
    emitter.emit("data", 1, "ignored");
    emitter.emit("data", 2);
    emitter.emit("error", error);
    expect(await reading).toBe(error);
    expect(all).toEqual([1, 2]);
    expect([emitter.listenerCount("data"), emitter.listenerCount("error")]).toEqual([0, 0]);
    const errors = Enumerator.fromEvent(emitter, "error")[Symbol.asyncIterator]();
    const next = errors.next();
    emitter.emit("error", error);
    expect((await next).value).toBe(error);
    await errors.return?.();
  });

  test("are bounded", async () => {
    const emitter = new EventEmitter();
    const dropped: unknown[] = [];
    const iterator = Enumerator.fromEvent<number>(emitter, "data", {
      capacity: 2,
      whenFull: "dropOldest",
      onDrop: (n) => dropped.push(n),
    })[Symbol.asyncIterator]();
    const first = iterator.next();
    for (let i = 0; i < 5; i += 1) emitter.emit("data", i);
    expect([(await first).value, (await iterator.next()).value, (await iterator.next()).value]).toEqual([0, 3, 4]);
    expect(dropped).toEqual([1, 2]);
    await iterator.return?.();
  });

  test("accept observables with Symbol.observable, its string, or subscribe", async () => {
    const unsubscribe = vi.fn();
    const observable = {
      subscribe: (observer: { next: (n: number) => void; complete: () => void }) => {
        observer.next(1);
        observer.next(2);
        observer.complete();
        return { unsubscribe };
      },
    };
    expect(await collect(Enumerator.from<number>(observable))).toEqual([1, 2]);
    expect(await collect(Enumerator.from<number>({ "@@observable": () => observable } as never))).toEqual([1, 2]);
    expect(unsubscribe).toHaveBeenCalledTimes(2);
    const error = new Error("broken");
    const failing = { subscribe: (observer: { error: (e: unknown) => void }) => (observer.error(error), unsubscribe) };
    expect(await errorOf(() => collect(Enumerator.from(failing as never)))).toBe(error);
    expect(unsubscribe).toHaveBeenCalledTimes(3);
  });

  test("convert from and to RxJS", async () => {
    expect(await collect(Enumerator.from<number>(rxRange(1, 5).pipe(rxMap((n) => n * 2))))).toEqual([2, 4, 6, 8, 10]);
    const subject = new Subject<number>();
    const taken = Enumerator.from<number>(subject).through(Enumeratee.take(2)).run(Iteratee.collect());
    for (let i = 0; i < 5; i += 1) subject.next(i);
    expect(await taken).toEqual([0, 1]);
    await turns();
    expect(subject.observed).toBe(false);
    const error = new Error("broken");
    expect(await errorOf(() => collect(Enumerator.from(rxThrow(() => error))))).toBe(error);
    expect(await lastValueFrom(rxFrom(Enumerator.of(1, 2, 3)))).toBe(3);
  });

  test.each([[5], [null], [{}], [{ on: 5 }]])("fromEvent refuses %s", async (target) => {
    await expectCode("ERR_SOURCE", () => Enumerator.fromEvent(target as never, "x"));
  });
});

describe("Node's streams", () => {
  test("read a file as bytes, in one run only", async () => {
    const source = Enumerator.from<Buffer>(createReadStream(import.meta.filename));
    const text = Buffer.concat(await collect(source)).toString();
    expect(text).toContain("a file is read as bytes");
    await expectCode("ERR_SOURCE_USED", () => collect(source));
  });

  test("are destroyed when the reader leaves", async () => {
    const readable = Readable.from([1, 2, 3]);
    for await (const _ of Enumerator.from<number>(readable)) break;
    expect(readable.destroyed).toBe(true);
  });
});

describe("broadcast", () => {
  test("delivers to each reader the elements pushed after it subscribes", async () => {
    const news = Enumerator.broadcast<number>();
    expect(news.channel.push(0)).toBe(false);
    const first = news.source[Symbol.asyncIterator]();
    const one = first.next();
    expect(news.readers).toBe(1);
    expect(news.channel.push(1)).toBe(true);
    const second = collect(news.source);
    news.channel.push(2);
    news.channel.end();
    expect([(await one).value, (await first.next()).value, (await first.next()).done]).toEqual([1, 2, true]);
    expect(await second).toEqual([2]);
    expect(news.readers).toBe(0);
    expect(await collect(news.source)).toEqual([]);
    await expectCode("ERR_CHANNEL_ENDED", () => news.channel.push(3));
  });

  test("removes a reader when it leaves", async () => {
    const news = Enumerator.broadcast<number>();
    const iterator = news.source[Symbol.asyncIterator]();
    void iterator.next();
    expect(news.readers).toBe(1);
    await iterator.return?.();
    expect([news.readers, news.channel.push(1)]).toEqual([0, false]);
  });

  test("fails only the stalled reader when its bound is exceeded", async () => {
    const news = Enumerator.broadcast<number>({ capacity: 3 });
    const stalled = news.source[Symbol.asyncIterator]();
    const first = stalled.next();
    const live: number[] = [];
    const reading = (async () => {
      for await (const n of news.source) live.push(n);
    })();
    for (let i = 0; i < 10; i += 1) {
      news.channel.push(i);
      await turns(1);
    }
    news.channel.end();
    await reading;
    expect(live).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect([
      (await first).value,
      (await stalled.next()).value,
      (await stalled.next()).value,
      (await stalled.next()).value,
    ]).toEqual([0, 1, 2, 3]);
    await expectCode("ERR_OVERFLOW", () => stalled.next());
  });

  test.each([
    ["dropOldest", [0, 8, 9], 7],
    ["dropNewest", [0, 1, 2], 7],
    ["latest", [0, 9], 8],
  ] as const)("with the policy %s delivers %j to a stalled reader", async (whenFull, expected, drops) => {
    let dropped = 0;
    const news = Enumerator.broadcast<number>({ capacity: 2, whenFull, onDrop: () => (dropped += 1) });
    const iterator = news.source[Symbol.asyncIterator]();
    const first = iterator.next();
    for (let i = 0; i < 10; i += 1) news.channel.push(i);
    news.channel.end();
    const seen = [(await first).value];
    for (let result = await iterator.next(); result.done !== true; result = await iterator.next())
      seen.push(result.value);
    expect(seen).toEqual(expected.length === 2 && whenFull === "latest" ? [0, 9] : expected);
    expect(dropped).toBe(drops);
  });

  test("fails every reader, including later readers, on a failure", async () => {
    const error = new Error("broken");
    const news = Enumerator.broadcast<number>();
    const early = errorOf(() => collect(news.source));
    news.channel.fail(error);
    expect(await early).toBe(error);
    expect(await errorOf(() => collect(news.source))).toBe(error);
  });

  test.each([{ capacity: 0 }, { whenFull: "x" as never }, { onDrop: 5 as never }])("refuses %j", async (options) => {
    await expectCode("ERR_OPTION", () => Enumerator.broadcast(options));
  });
});

describe("patchPanel", () => {
  test("replaces its source while it runs, stops the previous one, and continues when one ends", async () => {
    let panel: PatchPanel<string> | undefined;
    const stopped = vi.fn();
    const iterator = Enumerator.patchPanel<string>((given) => {
      panel = given;
      return stopped;
    })[Symbol.asyncIterator]();
    const endless = new Probe(["a", "b", "c", "d"]);
    const first = iterator.next();
    expect(panel?.patch(endless)).toBe(true);
    expect((await first).value).toBe("a");
    panel?.patch(Enumerator.of("x"));
    expect(endless.returned).toBe(1);
    expect((await iterator.next()).value).toBe("x");
    const waiting = iterator.next();
    await turns();
    panel?.patch(Enumerator.of("y"));
    expect((await waiting).value).toBe("y");
    panel?.end();
    expect((await iterator.next()).done).toBe(true);
    expect(stopped).toHaveBeenCalledOnce();
    await expectCode("ERR_CHANNEL_ENDED", () => panel?.patch(Enumerator.of("z")));
  });

  test("fails with its source, and returns false when it has no reader", async () => {
    let panel: PatchPanel<string> | undefined;
    const source = Enumerator.patchPanel<string>((given) => {
      panel = given;
      given.patch(Enumerator.fail(new Error("broken")));
    });
    expect(await errorOf(() => collect(source))).toMatchObject({ message: "broken" });
    expect(panel?.patch(Enumerator.of("x"))).toBe(false);
  });

  test("forwards the clean-up error of a replaced source", async () => {
    const error = new Error("cannot clean up");
    const source = Enumerator.patchPanel<number>((panel) => {
      panel.patch(
        Enumerator.never<number>().through(
          Enumeratee.onDone(() => {
            throw error;
          }),
        ),
      );
      panel.patch(Enumerator.of(1));
    });
    expect(await errorOf(() => collect(source))).toBe(error);
  });
});

describe("joined", () => {
  test("emits from the source each element that the consumer takes, one at a time", async () => {
    const { iteratee, source } = Enumerator.joined<number>();
    const probe = new Probe([1, 2, 3]);
    const running = Enumerator.from(probe).run(iteratee);
    const iterator = source[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe(1);
    await turns();
    expect(probe.pulled).toBe(2);
    expect([(await iterator.next()).value, (await iterator.next()).value, (await iterator.next()).done]).toEqual([
      2,
      3,
      true,
    ]);
    await running;
  });

  test("ends the consumer when the reader leaves", async () => {
    const { iteratee, source } = Enumerator.joined<number>();
    const running = Enumerator.unfold(0, (n) => [n, n + 1]).run(iteratee);
    expect(await collect(source.through(Enumeratee.take(3)))).toEqual([0, 1, 2]);
    await running;
  });

  test("allows each end to be used once", async () => {
    const { iteratee, source } = Enumerator.joined<number>();
    await Promise.all([Enumerator.of(1).run(iteratee), source.run(Iteratee.ignore())]);
    await expectCode("ERR_SOURCE_USED", () => Enumerator.of(1).run(iteratee));
    await expectCode("ERR_SOURCE_USED", () => collect(source));
  });
});
