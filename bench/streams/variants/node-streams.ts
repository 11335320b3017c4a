import { Readable } from "node:stream";
import { addUp, double, increment, isKept, type Works } from "../workload.ts";

function* counter(elements: number): Generator<number> {
  for (let n = 0; n < elements; n += 1) yield n;
}

/** The operators of Node's `Readable`, with its own queue sizes and concurrency. */
export const works: Works = {
  operators: (elements) => Readable.from(counter(elements)).map(increment).map(double).filter(isKept).reduce(addUp, 0),
};
