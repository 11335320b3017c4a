/**
 * One engine, one round: what a delivery costs a hub process whose clients follow one topic, at a fixed rate, one message a flush. The
 * messages come from another process; with no engine, from a timer of the same. First with one client, which shows what a message
 * costs, and then with all of them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Crowd } from "../../fanout/clients/crowd.ts";
import { eventSource } from "../../fanout/clients/greeting.ts";
import { quantile } from "../../../test/support/statistics.ts";
import { CountedSample } from "../counted-sample.ts";
import { inTrial, readSpec, spentBy, totalUs, type TrialSpec, type WorkerProcess } from "./trial.ts";

export interface FanoutSpec extends TrialSpec {
  readonly clients: number;
  readonly bytes: number;
  readonly intervalMs: number;
  readonly warmUps: number;
  readonly messages: number;
}

export interface FanoutCost {
  /** The hub process's CPU time for each flush, microseconds: all of it, and of that the kernel's. */
  readonly cpuUs: number;
  readonly systemUs: number;
  /** 1 if every message has had a flush of its own. */
  readonly messagesPerFlush: number;
  /** From the call of `publish` to the arrival, milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How busy the hub's core, the clients, and the core of clients, engine and publisher were, 0 to 1. */
  readonly hubShare: number;
  readonly loadShare: number;
  readonly othersShare: number;
  /** For how much of the time something else had the hub's core when the hub was ready to run, 0 to 1. */
  readonly waitedShare: number;
}

export interface FanoutResult {
  readonly one: FanoutCost;
  readonly all: FanoutCost;
}

const SAMPLES = 40;
const FAST_WARM_UPS = 1000;

const spec = readSpec() as FanoutSpec;

await inTrial(spec.engine, async (scene): Promise<FanoutResult> => {
  const { engine, cores, clients, bytes, intervalMs } = spec;
  const hub = await scene.start("hub.ts", cores[0]);
  const publisher: WorkerProcess = engine === "memory" ? hub : await scene.start("hub.ts", cores[1]);
  const others = publisher === hub ? [] : [publisher];
  const crowd = new Crowd();
  let published = 0;
  let expected = 0;
  const publish = async (messages: number, pauseMs = intervalMs): Promise<void> => {
    await publisher.ask("pace", { topic: "bench", messages, first: published, bytes, intervalMs: pauseMs });
    published += messages;
    expected += messages * crowd.clients.length;
    await crowd.until(expected);
  };
  const measure = async (): Promise<FanoutCost> => {
    await publish(spec.warmUps);
    const samples = CountedSample.among(crowd, SAMPLES);
    const spent = await spentBy(scene, [hub, ...others], () => publish(spec.messages));
    const delays = samples.flatMap(({ delaysUs }) => delaysUs);
    const [own, other] = spent.processes;
    if (own === undefined || delays.length !== spec.messages * samples.length) throw new Error("Messages are missing.");
    const othersUs = spent.loadUs + spent.serverUs + (other === undefined ? 0 : totalUs(other));
    const flushes = CountedSample.writes(samples);
    return {
      cpuUs: totalUs(own) / flushes,
      systemUs: own.system / flushes,
      messagesPerFlush: spec.messages / flushes,
      p50Ms: quantile(delays, 0.5) / 1000,
      p99Ms: quantile(delays, 0.99) / 1000,
      hubShare: totalUs(own) / spent.tookUs,
      loadShare: spent.loadUs / spent.tookUs,
      othersShare: othersUs / spent.tookUs,
      waitedShare: spent.waitedShare,
    };
  };
  const connect = async (count: number): Promise<void> => {
    await crowd.connect(count, hub.port, eventSource("/?topic=bench"), Math.min(count, 100));
    // What the last one was told on opening may come after its head.
    await sleep(300);
  };
  await connect(1);
  // Until everything is compiled.
  await publish(FAST_WARM_UPS, 1);
  const one = await measure();
  await connect(clients - 1);
  return { one, all: await measure() };
});
