/** One variant, one round: how much resident memory idle connections take, once each has had a message and nothing is left to collect. */
import { setTimeout as sleep } from "node:timers/promises";
import { variantNamed } from "../catalogue.ts";
import { connectCrowd, inTrial, type TrialSpec } from "./trial.ts";

export interface MemorySpec extends TrialSpec {
  readonly connections: number;
}

export interface MemoryResult {
  /** Bytes for each connection. */
  readonly idleBytes: number;
  /** Bytes of the process before anybody has come. */
  readonly emptyBytes: number;
}

/** For what a server does once its clients are there, and for pages to be given back. */
const SETTLE_MS = 500;

await inTrial<MemorySpec, MemoryResult>(async ({ variant, connections }, server) => {
  const { rss: emptyBytes } = await server.collectedUsage();
  const { crowd } = await connectCrowd(server, variantNamed(variant).greeting(), connections);
  server.publish(1, 100, 0);
  await crowd.until(connections);
  await sleep(SETTLE_MS);
  crowd.check(1);
  const { rss } = await server.collectedUsage();
  return { idleBytes: (rss - emptyBytes) / connections, emptyBytes };
});
