import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { message, nowUs } from "../../fanout/messages.ts";
import { quantile } from "../../../test/support/statistics.ts";
import { ownUsage } from "../../support/usage.ts";

/** What is published to by the commands. */
export interface Publisher {
  /** Resolves once the message is acknowledged. */
  readonly publish: (topic: string, text: string) => Promise<unknown>;
}

/** Messages at a rate, each in a turn of its own. */
export interface Pace {
  readonly topic: string;
  readonly messages: number;
  readonly first: number;
  readonly bytes: number;
  readonly intervalMs: number;
}

/** From the call of `publish` to its acknowledgement. */
export interface Paced {
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

/** Messages as fast as they are acknowledged, to one topic after the other. */
export interface Flood {
  readonly topics: number;
  readonly ms: number;
  readonly inFlight: number;
  readonly bytes: number;
}

export interface Flooded {
  readonly published: number;
  readonly tookMs: number;
  /** CPU time of this process for each, in microseconds. */
  readonly cpuUs: number;
  /** From the call of `publish` to its acknowledgement. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** The longest time for which the event loop stood still. */
  readonly longestStopMs: number;
}

/** A number of messages as fast as they are acknowledged, to one topic. */
export interface Burst {
  readonly topic: string;
  readonly messages: number;
  readonly first: number;
  readonly inFlight: number;
  readonly bytes: number;
}

/** How many publishes pass between two looks at the clock. */
const PUBLISHES_BETWEEN_LOOKS = 64;
/** One of so many is timed: a prime, so that it is not always the first of a turn. */
const PUBLISHES_BETWEEN_TIMES = 7;

async function pace({ publish }: Publisher, { topic, messages, first, bytes, intervalMs }: Pace): Promise<Paced> {
  const acksUs: number[] = [];
  const pending: Promise<void>[] = [];
  const one = async (number: number): Promise<void> => {
    const start = nowUs();
    await publish(topic, message(number, bytes));
    acksUs.push(nowUs() - start);
  };
  for (let i = 0, due = performance.now(); i < messages; i += 1) {
    // At least a timer's turn between two: one that was late does not make two of a turn.
    await sleep(Math.max(1, due - performance.now()));
    due = Math.max(due + intervalMs, performance.now() + intervalMs / 2);
    pending.push(one(first + i));
  }
  await Promise.all(pending);
  return { ackP50Ms: quantile(acksUs, 0.5) / 1000, ackP99Ms: quantile(acksUs, 0.99) / 1000 };
}

async function flood({ publish }: Publisher, { topics, ms, inFlight, bytes }: Flood): Promise<Flooded> {
  const names = Array.from({ length: topics }, (_, i) => `flood-${i}`);
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const acksUs: number[] = [];
  const start = performance.now();
  const cpu = process.cpuUsage();
  let published = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const number = published;
      published += 1;
      if (number % PUBLISHES_BETWEEN_LOOKS === 0) isOver = performance.now() - start >= ms;
      const sentAt = number % PUBLISHES_BETWEEN_TIMES === 0 ? nowUs() : undefined;
      await publish(names[number % topics] as string, message(number % 1e8, bytes));
      if (sentAt !== undefined) acksUs.push(nowUs() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const tookMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  loop.disable();
  return {
    published,
    tookMs,
    cpuUs: (user + system) / published,
    ackP50Ms: quantile(acksUs, 0.5) / 1000,
    ackP99Ms: quantile(acksUs, 0.99) / 1000,
    longestStopMs: loop.max / 1e6,
  };
}

async function burst({ publish }: Publisher, { topic, messages, first, inFlight, bytes }: Burst): Promise<object> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < messages) {
      const number = first + next;
      next += 1;
      await publish(topic, message(number, bytes));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return {};
}

/**
 * Serves the benchmark: says on stdout what it is ready with, and then answers each line on stdin, a command and its JSON, by a line of
 * JSON. Ends when stdin does.
 */
export function host(
  ready: unknown,
  publisher: Publisher,
  more: { readonly [name: string]: (spec: never) => unknown } = {},
): void {
  const commands: { readonly [name: string]: (spec: never) => unknown } = {
    pace: (spec) => pace(publisher, spec),
    flood: (spec) => flood(publisher, spec),
    burst: (spec) => burst(publisher, spec),
    usage: ownUsage,
    ...more,
  };
  let text = "";
  process.stdin.setEncoding("latin1");
  process.stdin.on("data", (chunk: string) => {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const [name = "", spec = "null"] = line.split(/ (.*)/);
      void Promise.resolve(commands[name]?.(JSON.parse(spec) as never)).then((answer) => {
        console.log(JSON.stringify(answer));
      });
    }
  });
  process.stdin.on("end", () => process.exit());
  console.log(JSON.stringify(ready));
}
