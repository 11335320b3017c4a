import { afterAll, beforeAll, expect, test } from "vitest";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import type { History } from "../../src/log/broker.ts";
import { startNatsCluster, type NatsCluster } from "../support/nats.ts";
import { until } from "../support/sources.ts";
import { Publishing } from "./contract-outage.ts";
import { freshTopic, Process, wide } from "./contract-world.ts";

let cluster: NatsCluster;
const processes: Process[] = [];

beforeAll(async () => {
  cluster = await startNatsCluster();
});
afterAll(async () => {
  for (const process of processes) await process.close();
  await cluster.close();
});

/** Connects once the leader of a cluster that has just started knows the other servers. */
async function untilPlaced(connect: () => ReturnType<typeof natsBroker>): ReturnType<typeof natsBroker> {
  const end = performance.now() + 60_000;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (!String(error).includes("no suitable peers") || performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function join(): Promise<Process> {
  const broker = await untilPlaced(() =>
    natsBroker({
      connection: { servers: [...cluster.addresses] },
      replicas: 3,
      log: { maxEntries: wide.maxEntries },
      heartbeatMs: 500,
      connectTimeoutMs: 10_000,
      maxRetryMs: 500,
    }),
  );
  const process = new Process(broker);
  processes.push(process);
  return process;
}

/** Reads a topic once the stream has a leader. */
async function readAll(process: Process, topic: string): Promise<History> {
  const end = performance.now() + 60_000;
  for (;;) {
    const history = await process.readAll(topic).catch((error: unknown) => error);
    if (!(history instanceof Error)) return history as History;
    if (performance.now() > end) throw history;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("a cluster of three, whose leaders are killed, goes on publishing and loses nothing that it acknowledged", async () => {
  const [a, b, c] = [await join(), await join(), await join()];
  const topics = [freshTopic("one"), freshTopic("two")];
  const ears = await Promise.all(topics.map((topic) => c.listen(topic)));
  const before = await Promise.all(topics.map((topic) => a.publish(topic, '"before"')));
  const publishing = new Publishing([a, b], topics);
  const received = (): number => ears.reduce((sum, { notices }) => sum + notices.length, 0);
  const progress = async (): Promise<void> => {
    const count = received() + 100;
    await until(() => received() >= count, 60_000);
  };
  for (let round = 0; round < 2; round += 1) {
    await progress();
    const leader = await cluster.leaderOf("comet");
    await leader.kill();
    // Two of three servers go on.
    await progress();
    await leader.start();
    await progress();
  }
  await publishing.stop();
  // Otherwise the test would show nothing.
  expect([a, b, c].flatMap(({ told }) => told).length + publishing.failures).toBeGreaterThan(0);
  for (const [t, topic] of topics.entries()) {
    const history = await readAll(c, topic);
    expect(history.epoch).toBe(before[t]?.epoch);
    publishing.expectTruth(topic, history);
  }
  for (const { faults } of processes) expect(faults).toEqual([]);
});
