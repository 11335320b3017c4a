/** One variant, one round: how fast clients can come, some at a time, and what each costs the server. */
import { quantile } from "../../../test/support/statistics.ts";
import { usageBetween } from "../../support/usage.ts";
import { variantNamed } from "../catalogue.ts";
import { Crowd } from "../clients/crowd.ts";
import { nowUs } from "../messages.ts";
import { inTrial, type TrialSpec } from "./trial.ts";

export interface ConnectSpec extends TrialSpec {
  readonly connections: number;
  /** How many are on their way at any time. */
  readonly atOnce: number;
}

export interface ConnectResult {
  readonly perSecond: number;
  /** The server's CPU time for each connection, microseconds. */
  readonly cpuUs: number;
  /** From the beginning of the TCP connection to the first byte of the answer, milliseconds. */
  readonly firstByteP50Ms: number;
  readonly firstByteP99Ms: number;
  readonly loadShare: number;
}

/** Clients that come before, so that the server's code is warm. */
const WARM_UPS = 1000;

await inTrial<ConnectSpec, ConnectResult>(async ({ variant, connections, atOnce }, server) => {
  const greeting = variantNamed(variant).greeting();
  await new Crowd().connect(WARM_UPS, server.port, greeting, atOnce);
  const crowd = new Crowd();
  const before = await server.usage();
  const own = process.cpuUsage();
  const start = nowUs();
  await crowd.connect(connections, server.port, greeting, atOnce);
  const tookUs = nowUs() - start;
  const ownSpent = process.cpuUsage(own);
  const { user, system } = usageBetween(before, await server.usage());
  const firstBytes = crowd.clients.map(({ firstByteUs }) => firstByteUs);
  return {
    perSecond: (connections / tookUs) * 1e6,
    cpuUs: (user + system) / connections,
    firstByteP50Ms: quantile(firstBytes, 0.5) / 1000,
    firstByteP99Ms: quantile(firstBytes, 0.99) / 1000,
    loadShare: (ownSpent.user + ownSpent.system) / tookUs,
  };
});
