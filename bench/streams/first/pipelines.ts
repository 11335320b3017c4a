import { Enumeratee, Enumerator } from "../../../dist/index.js";
import { increment, request } from "../workload.ts";

/** A source of a number, seen through some operators. */
export type Pipeline = (operators: number) => AsyncIterable<number>;

async function* once(wait: boolean): AsyncGenerator<number> {
  if (wait) await request(0);
  yield 0;
}

async function* map(source: AsyncIterable<number>): AsyncGenerator<number> {
  for await (const n of source) yield increment(n);
}

function ours(source: Enumerator<number>, operators: number): AsyncIterable<number> {
  return source.through(Enumeratee.compose(...Array.from({ length: operators }, () => Enumeratee.map(increment))));
}

function generators(source: AsyncIterable<number>, operators: number): AsyncIterable<number> {
  return Array.from({ length: operators }, () => map).reduce((stream, operator) => operator(stream), source);
}

/** Sources that have their element at hand, and sources that wait for one promise, fulfilled already. */
export const pipelines: Readonly<Record<string, Pipeline>> = {
  "comet-sockets, at hand": (operators) => ours(Enumerator.of(0), operators),
  "comet-sockets, waiting once": (operators) =>
    ours(
      Enumerator.repeatAsync(() => request(0)),
      operators,
    ),
  "async generators, at hand": (operators) => generators(once(false), operators),
  "async generators, waiting once": (operators) => generators(once(true), operators),
};
