/**
 * One variant, one round: how long messages are on their way when they are published at a steady rate, whether those before have
 * arrived or not. The load generator reads what some of the clients get, and only counts what the others do.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { quantile } from "../../../test/support/statistics.ts";
import { usageBetween } from "../../support/usage.ts";
import { variantNamed } from "../catalogue.ts";
import { nowUs } from "../messages.ts";
import { connectCrowd, inTrial, type TrialSpec } from "./trial.ts";

export interface DelaySpec extends TrialSpec {
  readonly connections: number;
  readonly bytes: number;
  readonly messages: number;
  readonly warmUps: number;
  readonly intervalMs: number;
}

export interface DelayResult {
  /** From the publish to the arrival, milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The server's CPU time for each delivery, microseconds. */
  readonly cpuUs: number;
  /** How busy server and load generator were, 0 to 1. */
  readonly serverShare: number;
  readonly loadShare: number;
}

/** How many clients read what they get. */
const SAMPLES = 100;

await inTrial<DelaySpec, DelayResult>(
  async ({ variant, connections, bytes, messages, warmUps, intervalMs }, server) => {
    const { crowd } = await connectCrowd(server, variantNamed(variant).greeting(), connections);
    const samples = crowd.sample(SAMPLES);
    let published = 0;
    const publish = async (count: number): Promise<void> => {
      const start = performance.now();
      for (let i = 0; i < count; i += 1) {
        await sleep(Math.max(0, start + i * intervalMs - performance.now()));
        server.publish(1, bytes, published);
        published += 1;
      }
      await crowd.until(published * connections);
      crowd.check(published);
    };
    await publish(warmUps);
    for (const sample of samples) sample.reset();
    const before = await server.usage();
    const own = process.cpuUsage();
    const start = nowUs();
    await publish(messages);
    const tookUs = nowUs() - start;
    const ownSpent = process.cpuUsage(own);
    const { user, system } = usageBetween(before, await server.usage());
    const delays = samples.flatMap(({ delaysUs }) => delaysUs);
    return {
      p50Ms: quantile(delays, 0.5) / 1000,
      p99Ms: quantile(delays, 0.99) / 1000,
      maxMs: quantile(delays, 1) / 1000,
      cpuUs: (user + system) / (messages * connections),
      serverShare: (user + system) / tookUs,
      loadShare: (ownSpent.user + ownSpent.system) / tookUs,
    };
  },
);
