/**
 * The way of the first element through no operator and through ten, in a process of its own: how many microtasks and
 * macrotasks, and how long from making the pipeline to having stopped it. Prints one line of JSON, {@link First}s.
 */
import { median } from "../../../test/support/statistics.ts";
import { orderOfFirst, type Order } from "./order.ts";
import { pipelines, type Pipeline } from "./pipelines.ts";

/** What was found of one pipeline. */
export interface First {
  readonly title: string;
  readonly bare: Order;
  readonly throughTen: Order;
  /** To make the pipeline of ten, take its first element and stop it; the median of many. */
  readonly microseconds: number;
}

const OPERATORS = 10;
const TIMES = 20_000;
const WARM_UP = 5_000;

async function takeFirst(source: AsyncIterable<number>): Promise<void> {
  for await (const n of source) {
    if (n !== OPERATORS) throw new Error(`The first element was ${n}, not ${OPERATORS}.`);
    break;
  }
}

async function latency(pipeline: Pipeline): Promise<number> {
  const all: number[] = [];
  for (let time = 0; time < WARM_UP + TIMES; time += 1) {
    const start = performance.now();
    await takeFirst(pipeline(OPERATORS));
    all.push(performance.now() - start);
  }
  return median(all.slice(WARM_UP)) * 1000;
}

const rows: First[] = [];
for (const [title, pipeline] of Object.entries(pipelines)) {
  const bare = await orderOfFirst(pipeline(0));
  const throughTen = await orderOfFirst(pipeline(OPERATORS));
  rows.push({ title, bare, throughTen, microseconds: await latency(pipeline) });
}
console.log(JSON.stringify(rows));
