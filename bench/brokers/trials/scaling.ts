/**
 * So many worker processes on one port by `node:cluster`, one round: what a delivery costs all of them together at a fixed rate, one message
 * a flush, and how many deliveries a second there are when the next message is published as soon as all clients have had the one
 * before. Nothing is pinned: workers, clients, engine and publisher share all cores.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "../../fanout/clients/crowd.ts";
import { eventSource } from "../../fanout/clients/greeting.ts";
import { LineProcess } from "../../support/line-process.ts";
import { CountedSample } from "../counted-sample.ts";
import { processFile, type Engine } from "../engines.ts";
import type { MemberUsage } from "../processes/cluster.ts";
import { inTrial, readSpec, totalUs, type Scene } from "./trial.ts";

export interface ScalingSpec {
  readonly engine: Engine;
  readonly workers: number;
  readonly clients: number;
  readonly bytes: number;
  readonly intervalMs: number;
  readonly messages: number;
  readonly ms: number;
}

export interface ScalingPart {
  readonly deliveriesPerSecond: number;
  /** CPU time for each flush and client, microseconds, of all processes on the port. */
  readonly cpuUs: number;
  /** 1 if every message has had a flush of its own. */
  readonly messagesPerFlush: number;
  /** How much of a core each of these used: the busiest worker, the least busy one, and the first process, 0 to 1. */
  readonly mostShare: number;
  readonly leastShare: number;
  readonly leaderShare: number;
  /** The same of the clients, the engine's server, and the publisher. */
  readonly loadShare: number;
  readonly serverShare: number;
  readonly publisherShare: number;
}

export interface ScalingResult {
  readonly most: number;
  readonly least: number;
  readonly paced: ScalingPart;
  readonly saturated: ScalingPart;
}

const spec = readSpec() as ScalingSpec;
const { engine, clients, bytes, intervalMs } = spec;
const SAMPLES = 40;

async function trial(scene: Scene, group: LineProcess): Promise<ScalingResult> {
  const port = Number(await group.next());
  const publisher = await scene.start("hub.ts");
  const crowd = new Crowd();
  await crowd.connect(clients, port, eventSource("/?topic=bench"));
  await sleep(500);
  let published = 0;
  const until = async (): Promise<void> => {
    await crowd.until(published * clients);
    crowd.check(published);
  };
  const pace = async (messages: number): Promise<void> => {
    await publisher.ask("pace", { topic: "bench", messages, first: published, bytes, intervalMs });
    published += messages;
    await until();
  };
  const flood = async (ms: number): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end;) {
      await publisher.ask("burst", { topic: "bench", messages: 1, first: published, inFlight: 1, bytes });
      published += 1;
      await until();
    }
  };
  const usages = async (): Promise<MemberUsage[]> => JSON.parse(await group.ask("usage")) as MemberUsage[];
  const samples = CountedSample.among(crowd, SAMPLES);
  const measure = async (work: () => Promise<void>): Promise<ScalingPart> => {
    const from = published;
    for (const sample of samples) sample.reset();
    const before = await usages();
    const publisherBefore = totalUs(await publisher.ask("usage"));
    const serverBefore = scene.server.cpuUs();
    const own = process.cpuUsage();
    const start = performance.now();
    await work();
    const tookUs = (performance.now() - start) * 1000;
    const { user, system } = process.cpuUsage(own);
    const serverUs = scene.server.cpuUs() - serverBefore;
    const publisherUs = totalUs(await publisher.ask("usage")) - publisherBefore;
    const members = (await usages()).map((usage, i) => totalUs(usage) - totalUs(before[i] as MemberUsage));
    const [leaderUs = 0, ...workers] = members;
    const writes = CountedSample.writes(samples);
    return {
      deliveriesPerSecond: (((published - from) * clients) / tookUs) * 1e6,
      cpuUs: members.reduce((sum, us) => sum + us, 0) / writes / clients,
      messagesPerFlush: (published - from) / writes,
      mostShare: Math.max(...workers) / tookUs,
      leastShare: Math.min(...workers) / tookUs,
      leaderShare: leaderUs / tookUs,
      loadShare: (user + system) / tookUs,
      serverShare: serverUs / tookUs,
      publisherShare: publisherUs / tookUs,
    };
  };
  const counts = (await usages()).slice(1).map(({ connections }) => connections);
  if (counts.reduce((sum, count) => sum + count, 0) !== clients) throw new Error("Not all clients are there.");
  await pace(40);
  const paced = await measure(() => pace(spec.messages));
  await flood(500);
  const saturated = await measure(() => flood(spec.ms));
  return { most: Math.max(...counts), least: Math.min(...counts), paced, saturated };
}

await inTrial(engine, async (scene) => {
  const { url } = scene.server;
  const group = new LineProcess([process.execPath, processFile("cluster.ts"), engine, url, String(spec.workers)]);
  try {
    return await trial(scene, group);
  } finally {
    group.stop();
  }
});
