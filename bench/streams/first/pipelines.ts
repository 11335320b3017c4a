import { Enumeratee, Enumerator } from "../../../dist/index.js";
import { increment } from "../workload.ts";

/** A source of a number, seen through some operators. */
export type Pipeline = (operators: number) => AsyncIterable<number>;

// eslint-disable-next-line @typescript-eslint/require-await -- the element is there without waiting.
async function* once(): AsyncGenerator<number> {
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

/** Sources whose element is there without waiting. */
export const pipelines: Readonly<Record<string, Pipeline>> = {
  "comet-sockets": (operators) => ours(Enumerator.of(0), operators),
  "async generators": (operators) => generators(once(), operators),
};
