import type { Hub } from "comet-sockets";
import { nowUs, sleep } from "./clock.ts";

export interface StampOrder {
  readonly topic: string;
  readonly messages: number;
  /** How many are published at once, and how often. */
  readonly burst: number;
  readonly everyMs: number;
  /** The size of a message's data, in bytes. */
  readonly bytes: number;
}

/** Publishes messages of one size at a rate, in bursts; each begins with when it was published. Resolves when all are, to how long it took. */
export async function publishStamped(
  hub: Hub,
  { topic, messages, burst, everyMs, bytes }: StampOrder,
): Promise<number> {
  const to = hub.topic(topic);
  const start = performance.now();
  for (let published = 0; published < messages;) {
    const due = start + (published / burst) * everyMs;
    if (due > performance.now()) await sleep(due - performance.now());
    const at = nowUs();
    let given: Promise<unknown> | undefined;
    for (let i = 0; i < burst && published < messages; i += 1, published += 1) {
      // A message's number makes its text its own.
      given = to.publish(`@${at};${published} `.padEnd(bytes - 2, "x"));
    }
    await given;
  }
  return performance.now() - start;
}
