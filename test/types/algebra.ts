/** Element types follow through sources, adapters and consumers without annotations. Checked by `npm run types`; never run. */
import { Readable } from "node:stream";
import { expectTypeOf } from "vitest";
import { Enumeratee, Enumerator, Iteratee, type Broadcast } from "../../src/index.ts";

const numbers = Enumerator.of(1, 2, 3);
const strings = Enumerator.of("a");

// Sources.
expectTypeOf(Enumerator.concat(numbers, numbers)).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.interleave<string | number>(numbers, strings)).toEqualTypeOf<Enumerator<string | number>>();
expectTypeOf(Enumerator.zip(numbers, strings)).toEqualTypeOf<Enumerator<[number, string]>>();
expectTypeOf(Enumerator.repeat(() => 1)).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.repeatAsync(async () => Promise.resolve("x"))).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(Enumerator.generateAsync(async () => Promise.resolve<Date | undefined>(undefined))).toEqualTypeOf<
  Enumerator<Date>
>();
expectTypeOf(Enumerator.defer(() => [1, 2])).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.defer(async () => Promise.resolve(strings))).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(
  Enumerator.defer(function* () {
    yield 1;
  }),
).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.broadcast<Date>()).toEqualTypeOf<Broadcast<Date>>();
expectTypeOf(Enumerator.from<Buffer>(Readable.from([]))).toEqualTypeOf<Enumerator<Buffer>>();

// Adapters.
expectTypeOf(numbers.through(Enumeratee.collect((n) => (n > 1 ? n.toFixed() : undefined)))).toEqualTypeOf<
  Enumerator<string>
>();
expectTypeOf(numbers.through(Enumeratee.scan("", (s, n) => s + n.toFixed()))).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(numbers.through(Enumeratee.mapConcat((n) => [n.toFixed()]))).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(numbers.through(Enumeratee.flatMap((n) => Enumerator.of(n > 1)))).toEqualTypeOf<Enumerator<boolean>>();
expectTypeOf(numbers.through(Enumeratee.grouped(2))).toEqualTypeOf<Enumerator<number[]>>();
expectTypeOf(numbers.through(Enumeratee.grouped({ count: 2, withinMs: 5 }))).toEqualTypeOf<Enumerator<number[]>>();
expectTypeOf(numbers.through(Enumeratee.grouped(Iteratee.fold("", (s, n: number) => s + n.toFixed())))).toEqualTypeOf<
  Enumerator<string>
>();
expectTypeOf(numbers.through(Enumeratee.recover(() => strings))).toEqualTypeOf<Enumerator<string | number>>();
expectTypeOf(numbers.through(Enumeratee.heading(0))).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(
  numbers.through(
    Enumeratee.compose(
      Enumeratee.filterNot((n) => n > 2),
      Enumeratee.tap((n) => n.toFixed()),
      Enumeratee.takeWhile((n) => n > 0),
      Enumeratee.distinctUntilChanged((a, b) => a.toFixed() === b.toFixed()),
      Enumeratee.map((n) => n.toFixed()),
    ),
  ),
).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(
  numbers
    .through(Enumeratee.buffer(5, "latest", (n) => n.toFixed()))
    .through(Enumeratee.throttle(5))
    .through(Enumeratee.debounce(5))
    .through(Enumeratee.sample(5))
    .through(Enumeratee.timeout(5))
    .through(Enumeratee.abortable(AbortSignal.timeout(5))),
).toEqualTypeOf<Enumerator<number>>();

// Consumers.
expectTypeOf(numbers.run(Iteratee.fold("", (s, n) => s + n.toFixed()))).toEqualTypeOf<Promise<string>>();
expectTypeOf(numbers.run(Iteratee.collect())).toEqualTypeOf<Promise<number[]>>();
expectTypeOf(numbers.run(Iteratee.head())).toEqualTypeOf<Promise<number | undefined>>();
expectTypeOf(numbers.run(Iteratee.reduce((a, b) => a + b))).toEqualTypeOf<Promise<number | undefined>>();
expectTypeOf(numbers.run(Iteratee.count())).toEqualTypeOf<Promise<number>>();
expectTypeOf(numbers.run(Iteratee.map(Iteratee.count(), (n) => n.toFixed()))).toEqualTypeOf<Promise<string>>();
expectTypeOf(numbers.run(Iteratee.zip(Iteratee.head<number>(), Iteratee.count()))).toEqualTypeOf<
  Promise<readonly [number | undefined, number]>
>();
expectTypeOf(numbers.toReadableStream()).toEqualTypeOf<ReadableStream<number>>();

// @ts-expect-error the consumer is for strings
void numbers.run(Iteratee.fold(0, (n, s: string) => n + s.length));
// @ts-expect-error there is no such policy
Enumeratee.buffer(5, "drop");
// @ts-expect-error a channel takes its own elements
Enumerator.broadcast<number>().channel.push("x");
