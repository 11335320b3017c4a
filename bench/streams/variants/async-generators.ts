import { addUp, double, increment, isKept, request, type Works } from "../workload.ts";

/* eslint-disable @typescript-eslint/require-await -- the source that does not wait is the point of it */
async function* counter(elements: number): AsyncGenerator<number> {
  for (let n = 0; n < elements; n += 1) yield n;
}

/** `yield` awaits by itself: no `await` is needed before it. */
async function* requests(elements: number): AsyncGenerator<number> {
  for (let n = 0; n < elements; n += 1) yield request(n);
}

async function* map<A, B>(source: AsyncIterable<A>, f: (element: A) => B): AsyncGenerator<B> {
  for await (const element of source) yield f(element);
}

async function* filter<A>(source: AsyncIterable<A>, keep: (element: A) => boolean): AsyncGenerator<A> {
  for await (const element of source) if (keep(element)) yield element;
}

async function checksum(source: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const n of filter(map(map(source, increment), double), isKept)) sum = addUp(sum, n);
  return sum;
}

export const works: Works = {
  sync: (elements) => checksum(counter(elements)),
  waiting: (elements) => checksum(requests(elements)),
};
