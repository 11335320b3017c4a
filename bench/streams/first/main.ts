/**
 * The way of the first element through no operator and through ten, in a process of its own: how many microtasks and
 * macrotasks. Prints one line of JSON, an array of {@link First}.
 */
import { orderOfFirst, type Order } from "./order.ts";
import { pipelines } from "./pipelines.ts";

/** The measurement of one pipeline. */
export interface First {
  readonly title: string;
  readonly bare: Order;
  readonly throughTen: Order;
}

const OPERATORS = 10;

const rows: First[] = [];
for (const [title, pipeline] of Object.entries(pipelines)) {
  const bare = await orderOfFirst(pipeline(0));
  const throughTen = await orderOfFirst(pipeline(OPERATORS));
  rows.push({ title, bare, throughTen });
}
console.log(JSON.stringify(rows));
