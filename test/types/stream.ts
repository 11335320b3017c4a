/** Element types follow through every adapter without annotations. Checked by `npm run types`; never run. */
import { expectTypeOf } from "vitest";
import { chunked, Enumeratee, Enumerator, html, type Html } from "../../src/index.ts";

const numbers = Enumerator.of(1, 2, 3);
expectTypeOf(numbers).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.from("abc")).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(Enumerator.from(new Set([1]))).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.from(new ReadableStream<Uint8Array>())).toEqualTypeOf<Enumerator<Uint8Array>>();
expectTypeOf(Enumerator.unfold(0, (n) => (n < 3 ? [n.toFixed(), n + 1] : undefined))).toEqualTypeOf<
  Enumerator<string>
>();
expectTypeOf(Enumerator.interval(5)).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(Enumerator.unicast<Date>((channel) => void channel.push(new Date()))).toEqualTypeOf<Enumerator<Date>>();
expectTypeOf(numbers.through(Enumeratee.map((n) => n.toFixed()))).toEqualTypeOf<Enumerator<string>>();
expectTypeOf(numbers.through(Enumeratee.mapAsync(async (n) => Promise.resolve(n.toFixed())))).toEqualTypeOf<
  Enumerator<string>
>();
expectTypeOf(numbers.through(Enumeratee.filter((n) => n > 1))).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(numbers.through(Enumeratee.take(1))).toEqualTypeOf<Enumerator<number>>();
expectTypeOf(numbers.through(Enumeratee.filter((n): n is 1 => n === 1))).toEqualTypeOf<Enumerator<1>>();
expectTypeOf(
  numbers.through(
    Enumeratee.compose(
      Enumeratee.map((n) => n.toFixed()),
      Enumeratee.filter((s) => s.length > 1),
      Enumeratee.mapAsync(async (s) => Promise.resolve(s.split(""))),
    ),
  ),
).toEqualTypeOf<Enumerator<string[]>>();
expectTypeOf(numbers.through(Enumeratee.map((n) => html`<b>${n}</b>`))).toEqualTypeOf<Enumerator<Html>>();

// @ts-expect-error the adapter is for strings
numbers.through(Enumeratee.map((s: string) => s.length));
// @ts-expect-error the second does not fit the first
Enumeratee.compose(
  Enumeratee.map((n: number) => n),
  Enumeratee.map((s: string) => s),
);
// @ts-expect-error a response is made of Html, strings or bytes
chunked(numbers);
// @ts-expect-error a channel takes its own elements
Enumerator.unicast<number>((channel) => void channel.push("x"));
