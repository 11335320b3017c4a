/** One engine, one round: how many messages one process publishes that nobody follows, with many on their way to one topic or many. */
import type { Flood, Flooded } from "../processes/host.ts";
import { inTrial, readSpec, spentBy, type TrialSpec } from "./trial.ts";

export interface PublishingSpec extends TrialSpec {
  readonly isBare: boolean;
  readonly flood: Flood;
}

export interface PublishingResult {
  readonly perSecond: number;
  /** CPU time for each publish, microseconds: of the process, and of the engine's server. */
  readonly cpuUs: number;
  readonly serverUs: number;
  /** How busy the two were, each on a core of its own, 0 to 1. */
  readonly processShare: number;
  readonly serverShare: number;
  /** From the call of `publish` to its acknowledgement. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** The longest time for which the event loop of the process stood still. */
  readonly longestStopMs: number;
  /** For how much of the time something else had the process's core when it was ready to run, 0 to 1. */
  readonly waitedShare: number;
}

const { engine, isBare, cores, flood } = readSpec() as PublishingSpec;

await inTrial(engine, async (scene): Promise<PublishingResult> => {
  const publisher = await scene.start(isBare ? "bare.ts" : "hub.ts", cores[0]);
  await publisher.ask("flood", { ...flood, ms: flood.ms / 2 });
  const { result, serverUs, waitedShare } = await spentBy(scene, [publisher], () =>
    publisher.ask<Flooded>("flood", flood),
  );
  const { published, tookMs, cpuUs, ackP50Ms, ackP99Ms, longestStopMs } = result;
  return {
    perSecond: (published / tookMs) * 1000,
    cpuUs,
    serverUs: serverUs / published,
    processShare: (cpuUs * published) / (tookMs * 1000),
    ackP50Ms,
    ackP99Ms,
    longestStopMs,
    serverShare: serverUs / (tookMs * 1000),
    waitedShare,
  };
});
