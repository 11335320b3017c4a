/**
 * One hub, one round: its connections grow from size to size, and at each size flushes of several message sizes are measured. Each topic has
 * an equal share of the connections. It also measures the memory of idle connections, in the process and in the kernel.
 */
import { usageBetween } from "../../support/usage.ts";
import type { Server } from "../../fanout/servers/server.ts";
import { inTrialOf } from "../../fanout/trials/trial.ts";
import type { MeasuredFlush } from "../cost-model.ts";
import { Followers, startTopics } from "../followers.ts";
import { slabBytes } from "../slab.ts";

export interface GrowthSpec {
  readonly cores: readonly [server: number, load: number];
  readonly topics: number;
  /** Rising. A size below the number of topics is left out. */
  readonly sizes: readonly number[];
  readonly bytes: readonly number[];
  /** The deliveries that a measurement should have. */
  readonly deliveries: number;
}

export interface GrowthResult {
  readonly flushes: readonly MeasuredFlush[];
  /** Resident memory of the process without connections, bytes. */
  readonly emptyBytes: number;
  /** Resident memory that each connection adds at the largest size, bytes. */
  readonly idleBytes: number;
  /** The kernel's memory for one end of a connection, bytes. */
  readonly kernelBytes: number;
}

const INTERVAL_MS = 20;
const JIT_FLUSHES = 150;
const LEAST_FLUSHES = 5;
const MOST_FLUSHES = 60;

await inTrialOf<GrowthSpec, Server, GrowthResult>(
  ({ topics, cores }) => startTopics(topics, cores[0]),
  async ({ topics, sizes, bytes: allBytes, deliveries }, server) => {
    const empty = await server.collectedUsage();
    const emptySlab = slabBytes();
    const followers = new Followers(server, (client) => client % topics);
    const found: MeasuredFlush[] = [];
    let [idleBytes, kernelBytes] = [NaN, NaN];
    for (const subscribers of sizes.filter((size) => size >= topics)) {
      await followers.growTo(subscribers);
      const { rss } = await server.collectedUsage();
      idleBytes = (rss - empty.rss) / subscribers;
      // Both ends are on this machine.
      kernelBytes = (slabBytes() - emptySlab) / subscribers / 2;
      for (const [i, bytes] of allBytes.entries()) {
        const flushes = Math.min(MOST_FLUSHES, Math.max(LEAST_FLUSHES, Math.round(deliveries / subscribers)));
        const warmUps = found.length === 0 ? JIT_FLUSHES : Math.ceil(flushes / (i === 0 ? 1 : 4));
        for (let j = 0; j < warmUps; j += 1) await followers.flush(topics, bytes, 1);
        const received = followers.received();
        const before = await server.usage();
        for (let j = 0; j < flushes; j += 1) await followers.flush(topics, bytes, INTERVAL_MS);
        const { user, system } = usageBetween(before, await server.usage());
        followers.check(
          received,
          Array.from({ length: flushes }, () => ({ topics })),
        );
        found.push({ groups: topics, subscribers, bytes, cpuUs: (user + system) / flushes });
      }
    }
    return { flushes: found, emptyBytes: empty.rss, idleBytes, kernelBytes };
  },
);
