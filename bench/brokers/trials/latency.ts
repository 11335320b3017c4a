/**
 * One engine, one round: messages at a steady rate from one process to a client of another, and how long each took: to its acknowledgement in
 * the process that published it, and to the client. With no engine both processes are the same. Bare: the second process is the client.
 */
import { Crowd } from "../../fanout/clients/crowd.ts";
import { eventSource } from "../../fanout/clients/greeting.ts";
import { quantile } from "../../../test/support/statistics.ts";
import type { Paced } from "../processes/host.ts";
import { inTrial, readSpec, spentBy, totalUs, type Scene, type TrialSpec, type WorkerProcess } from "./trial.ts";

export interface LatencySpec extends TrialSpec {
  readonly isBare: boolean;
  readonly bytes: number;
  readonly warmUps: number;
  readonly messages: number;
  readonly intervalMs: number;
}

export interface LatencyResult extends Paced {
  /** From the call of `publish` to the arrival, milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time for each message, microseconds: of the process that publishes, of the one that delivers, and of the engine's server. */
  readonly publisherUs: number;
  readonly receiverUs: number;
  readonly serverUs: number;
  /** How busy the core was that clients, engine and publisher share, 0 to 1. */
  readonly othersShare: number;
}

/** Whom messages come to. */
interface Receiver {
  readonly process: WorkerProcess;
  forget(): Promise<unknown>;
  /** Resolves with all delays, in microseconds, when so many messages have come, since they were forgotten. */
  delays(messages: number): Promise<readonly number[]>;
}

async function client(hub: WorkerProcess): Promise<Receiver> {
  const crowd = new Crowd();
  await crowd.connect(1, hub.port, eventSource("/?topic=bench"));
  const [sample] = crowd.sample(1);
  return {
    process: hub,
    forget: () => Promise.resolve(sample?.reset()),
    delays: async (messages) => {
      await crowd.until(messages);
      crowd.check(messages);
      return sample?.delaysUs ?? [];
    },
  };
}

async function bareClient(bare: WorkerProcess): Promise<Receiver> {
  await bare.ask("follow", { topic: "bench" });
  return {
    process: bare,
    forget: () => bare.ask("forget"),
    delays: async (messages) => {
      for (let tries = 0; tries < 100; tries += 1) {
        const { heard, delaysUs } = await bare.ask<{ heard: number; delaysUs: number[] }>("heard");
        if (heard === messages) return delaysUs;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error("Not all messages came.");
    },
  };
}

async function processes(spec: LatencySpec, scene: Scene): Promise<[publisher: WorkerProcess, receiver: Receiver]> {
  const [measured, others] = spec.cores;
  const file = spec.isBare ? "bare.ts" : "hub.ts";
  const receiving = await scene.start(file, measured);
  const receiver = await (spec.isBare ? bareClient(receiving) : client(receiving));
  return [spec.engine === "memory" ? receiving : await scene.start(file, others), receiver];
}

const spec = readSpec() as LatencySpec;

await inTrial(spec.engine, async (scene): Promise<LatencyResult> => {
  const { engine, warmUps, messages, bytes, intervalMs } = spec;
  const [publisher, receiver] = await processes(spec, scene);
  const pace = { topic: "bench", bytes, intervalMs };
  await publisher.ask("pace", { ...pace, messages: warmUps, first: 0 });
  await receiver.delays(warmUps);
  await receiver.forget();
  const spent = await spentBy(scene, [publisher, receiver.process], async () => ({
    acks: await publisher.ask<Paced>("pace", { ...pace, messages, first: warmUps }),
    delays: await receiver.delays(warmUps + messages),
  }));
  const { acks, delays } = spent.result;
  const [publisherUs = 0, receiverUs = 0] = spent.processes.map(totalUs);
  return {
    ...acks,
    p50Ms: quantile(delays, 0.5) / 1000,
    p99Ms: quantile(delays, 0.99) / 1000,
    publisherUs: publisherUs / messages,
    receiverUs: receiverUs / messages,
    serverUs: spent.serverUs / messages,
    othersShare: (spent.loadUs + spent.serverUs + (engine === "memory" ? 0 : publisherUs)) / spent.tookUs,
  };
});
