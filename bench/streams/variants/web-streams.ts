import { addUp, double, increment, isKept, type Works } from "../workload.ts";

function counter(elements: number): ReadableStream<number> {
  let n = 0;
  return new ReadableStream({
    pull(controller) {
      if (n < elements) controller.enqueue(n++);
      else controller.close();
    },
  });
}

function mapping(f: (n: number) => number): TransformStream<number, number> {
  return new TransformStream({ transform: (n, controller) => controller.enqueue(f(n)) });
}

function filtering(keep: (n: number) => boolean): TransformStream<number, number> {
  return new TransformStream({
    transform(n, controller) {
      if (keep(n)) controller.enqueue(n);
    },
  });
}

/** With the web's own queue sizes. */
export const works: Works = {
  async pipeThrough(elements) {
    const stream = counter(elements)
      .pipeThrough(mapping(increment))
      .pipeThrough(mapping(double))
      .pipeThrough(filtering(isKept));
    let sum = 0;
    for await (const n of stream) sum = addUp(sum, n);
    return sum;
  },
};
