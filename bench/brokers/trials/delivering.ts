/**
 * One engine, one round: two hub processes on one core, with clients of their own, and the first publishes to a topic as fast as it is
 * acknowledged; some thousand messages at a time, so that nobody falls behind what a log holds. With no engine there is one process.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "../../fanout/clients/crowd.ts";
import { eventSource } from "../../fanout/clients/greeting.ts";
import { CountedSample } from "../counted-sample.ts";
import { inTrial, readSpec, spentBy, totalUs, type TrialSpec } from "./trial.ts";

export interface DeliveringSpec extends TrialSpec {
  /** For each process. */
  readonly clients: number;
  readonly bytes: number;
  /** In each burst, and on their way at a time. */
  readonly messages: number;
  readonly inFlight: number;
  readonly ms: number;
}

export interface DeliveringResult {
  readonly publishesPerSecond: number;
  /** Of all processes together. */
  readonly deliveriesPerSecond: number;
  /** CPU time for each delivery, microseconds: of the process that publishes as well, and of the other one. */
  readonly publisherUs: number;
  readonly receiverUs: number;
  /** CPU time of the engine's server for each publish, microseconds. */
  readonly serverUs: number;
  /** How many messages a hub writes at a time. */
  readonly messagesPerFlush: number;
  /** How busy the core of the hubs was, the clients were, and the core that they share with the engine, 0 to 1. */
  readonly hubsShare: number;
  readonly loadShare: number;
  readonly othersShare: number;
  /** For how much of the time the process that publishes waited for the core, 0 to 1. */
  readonly waitedShare: number;
}

const WARM_UP_BURSTS = 2;

const spec = readSpec() as DeliveringSpec;

await inTrial(spec.engine, async (scene): Promise<DeliveringResult> => {
  const { engine, cores, clients, bytes, messages, inFlight, ms } = spec;
  const publisher = await scene.start("hub.ts", cores[0]);
  const hubs = engine === "memory" ? [publisher] : [publisher, await scene.start("hub.ts", cores[0])];
  const crowd = new Crowd();
  for (const hub of hubs) await crowd.connect(clients, hub.port, eventSource("/?topic=bench"));
  const samples = CountedSample.among(crowd, 4);
  await sleep(200);
  let published = 0;
  const burst = async (): Promise<void> => {
    await publisher.ask("burst", { topic: "bench", messages, first: published, inFlight, bytes });
    published += messages;
    await crowd.until(published * crowd.clients.length);
    crowd.check(published);
  };
  for (let i = 0; i < WARM_UP_BURSTS; i += 1) await burst();
  for (const sample of samples) sample.reset();
  const before = published;
  const spent = await spentBy(scene, hubs, async () => {
    const end = performance.now() + ms;
    while (performance.now() < end) await burst();
  });
  const count = published - before;
  const seconds = spent.tookUs / 1e6;
  const [publisherUs = 0, receiverUs = NaN] = spent.processes.map(totalUs);
  return {
    publishesPerSecond: count / seconds,
    deliveriesPerSecond: (count * crowd.clients.length) / seconds,
    publisherUs: publisherUs / count / clients,
    receiverUs: receiverUs / count / clients,
    serverUs: spent.serverUs / count,
    messagesPerFlush: count / CountedSample.writes(samples),
    hubsShare: spent.processes.reduce((sum, usage) => sum + totalUs(usage), 0) / spent.tookUs,
    loadShare: spent.loadUs / spent.tookUs,
    othersShare: (spent.loadUs + spent.serverUs) / spent.tookUs,
    waitedShare: spent.waitedShare,
  };
});
