/**
 * One variant, one round: starts the server on its core, connects a crowd, checks that every client receives exactly the messages, and
 * then publishes under each load. A process of its own, which is the load generator too. The next publish waits until every client
 * has received the last message: the measurement is of the cost of a delivery, not of a queue.
 */
import { quantile } from "../../../test/support/statistics.ts";
import { usageBetween } from "../../support/usage.ts";
import { variantNamed } from "../catalogue.ts";
import type { Crowd } from "../clients/crowd.ts";
import type { Sample } from "../clients/sample.ts";
import type { Server } from "../servers/server.ts";
import { Publisher, type Load } from "./publisher.ts";
import { connectCrowd, inTrial, type TrialSpec } from "./trial.ts";

export interface FanoutSpec extends TrialSpec {
  readonly connections: number;
  readonly loads: readonly Load[];
}

/** What a load cost: microseconds of the server's CPU for each delivery of a message. */
export interface Cost {
  readonly cpuUs: number;
  readonly userUs: number;
  readonly systemUs: number;
  /** From the publish to the arrival, milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly bytesPerMessage: number;
  /** How busy the load generator was while messages were on their way, 0 to 1. */
  readonly loadShare: number;
}

export interface FanoutResult {
  /** Resident memory for each idle connection, in bytes. */
  readonly idleBytes: number;
  readonly costs: { readonly [load: string]: Cost };
}

/** How many clients read what they get. */
const SAMPLES = 40;

async function cost(
  server: Server,
  crowd: Crowd,
  publisher: Publisher,
  samples: readonly Sample[],
  load: Load,
): Promise<Cost> {
  await publisher.publish(load, load.warmUps);
  for (const sample of samples) sample.reset();
  publisher.wayUs = publisher.ownUs = 0;
  const { messages, bytes } = crowd;
  const before = await server.usage();
  await publisher.publish(load, load.publishes);
  const { user, system } = usageBetween(before, await server.usage());
  const deliveries = crowd.messages - messages;
  const delays = samples.flatMap(({ delaysUs }) => delaysUs);
  return {
    cpuUs: (user + system) / deliveries,
    userUs: user / deliveries,
    systemUs: system / deliveries,
    p50Ms: quantile(delays, 0.5) / 1000,
    p99Ms: quantile(delays, 0.99) / 1000,
    bytesPerMessage: (crowd.bytes - bytes) / deliveries,
    loadShare: publisher.ownUs / publisher.wayUs,
  };
}

await inTrial<FanoutSpec, FanoutResult>(async ({ variant, connections, loads }, server) => {
  const { crowd, idleBytes } = await connectCrowd(server, variantNamed(variant).greeting(), connections);
  const samples = crowd.sample(SAMPLES);
  const publisher = new Publisher(server, crowd);
  await publisher.check();
  const costs: Record<string, Cost> = {};
  for (const load of loads) costs[load.name] = await cost(server, crowd, publisher, samples, load);
  return { idleBytes, costs };
});
