/** The program of a process with a hub that compresses, for `packed-strangers.ts`. */
import { createServer } from "node:http";
import { Hub, type HubStats } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { serveCalls } from "./child.ts";
import { MAX_LOG_BYTES, PACKED_TOPIC, PACKED_TOPICS } from "./packed-limits.ts";
import { Random } from "./random.ts";
import { listenOn } from "./strangers-server.ts";

/** The messages of each topic that strangers read. */
const MESSAGES = 1024;

export interface PackedState {
  readonly stats: HubStats;
  /** The highest `logBytes` since the last call. */
  readonly peakLogBytes: number;
  /** The size of the heap and of external memory after a collection. */
  readonly liveBytes: number;
  readonly faults: readonly string[];
}

const faults = new Set<string>();
const hub = new Hub({
  compression: true,
  maxLogBytes: MAX_LOG_BYTES,
  onError: (error) => faults.add(String(error)),
});
for (const event of ["unhandledRejection", "uncaughtException", "warning"] as const) {
  process.on(event, (error: unknown) => faults.add(`${event}: ${String(error)}`));
}
let peakLogBytes = 0;
const watch = (): void => {
  peakLogBytes = Math.max(peakLogBytes, hub.stats().logBytes);
};
setInterval(watch, 20).unref();

/** A text of about 1 KiB that compresses to two thirds. */
const textOf = (i: number, random: Random): string =>
  `#${i}# ${Array.from({ length: 90 }, () => random.next().toString(36).slice(2)).join(" ")}`.slice(0, 1000);

serveCalls({
  listen: () => listenOn(createServer(nodeHandler(hub))),
  fill: async (seed: number) => {
    const random = new Random(seed);
    for (let i = 0; i < MESSAGES * PACKED_TOPICS; i += 1) {
      await hub.topic<string>(`full${i % PACKED_TOPICS}`).publish(textOf(i, random));
    }
  },
  publish: async ({ from, to, everyMs, seed }: { from: number; to: number; everyMs: number; seed: number }) => {
    const random = new Random(seed);
    for (let i = from; i < to; i += 1) {
      await hub.topic<string>(PACKED_TOPIC).publish(textOf(i, random));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  },
  state: (): PackedState => {
    watch();
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const state = { stats: hub.stats(), peakLogBytes, liveBytes: heapUsed + external, faults: [...faults].slice(0, 5) };
    peakLogBytes = 0;
    return state;
  },
});
