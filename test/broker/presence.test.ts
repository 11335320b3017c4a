import { afterAll, beforeAll, expect, test } from "vitest";
import type { PresenceOptions } from "../../src/index.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { until } from "../support/sources.ts";
import { PresenceProcess } from "./presence-process.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());

type Three = readonly [PresenceProcess, PresenceProcess, PresenceProcess];

async function threeProcesses(presence?: PresenceOptions): Promise<Three> {
  const start = (): Promise<PresenceProcess> => PresenceProcess.start(redis.url, presence);
  return Promise.all([start(), start(), start()]);
}

test("stops counting a killed process, and reports leaves after the grace", async () => {
  const [one, two, three] = await threeProcesses();
  await one.follow("ada");
  await two.follow("ada");
  await two.follow("bob");
  await two.follow();
  await three.follow("eve");
  const all = { subscribers: 5, ada: 2, bob: 1, eve: 1 };
  for (const process of [one, two, three]) await process.knows(all);
  await Promise.all([one.watch(), three.watch()]);
  two.signal("SIGKILL");
  const left = { subscribers: 2, ada: 1, eve: 1 };
  await Promise.all([one, three].map((process) => process.knows(left)));
  await until(() => [one, three].every(({ changes }) => changes.length > 0));
  for (const { changes } of [one, three]) expect(changes).toEqual([{ type: "leave", identity: "bob", subscribers: 2 }]);
});

test("stops counting a closed process at once", async () => {
  const [one, two, three] = await threeProcesses({ beatMs: 30_000, graceMs: 0 });
  await one.follow("ada");
  await two.follow("bob");
  for (const process of [one, three]) await process.knows({ subscribers: 2, ada: 1, bob: 1 });
  await three.watch();
  await two.close();
  for (const process of [one, three]) await process.knows({ subscribers: 1, ada: 1 });
  expect(three.changes).toEqual([{ type: "leave", identity: "bob", subscribers: 1 }]);
});

test("stops counting a suspended process, and counts it again when it continues", async () => {
  const [one, two, three] = await threeProcesses({ beatMs: 500, graceMs: 30_000 });
  await one.follow("ada");
  const bob = await two.follow("bob");
  await one.watch();
  await one.knows({ subscribers: 2, ada: 1, bob: 1 });
  two.signal("SIGSTOP");
  await one.knows({ subscribers: 1, ada: 1 });
  two.signal("SIGCONT");
  for (const process of [one, two, three]) await process.knows({ subscribers: 2, ada: 1, bob: 1 });
  // A client that moves causes no change.
  bob.leave();
  await three.follow("bob");
  for (const process of [one, two, three]) await process.knows({ subscribers: 2, ada: 1, bob: 1 });
  expect(one.changes).toEqual([]);
});

test("counts only its own clients after three beats without Redis, and all again when it is back", async () => {
  const processes = await threeProcesses({ beatMs: 500, graceMs: 60_000 });
  for (const [i, process] of processes.entries()) await process.follow(`user-${i}`);
  const all = { subscribers: 3, "user-0": 1, "user-1": 1, "user-2": 1 };
  for (const process of processes) await process.knows(all);
  await processes[0].watch();
  await redis.kill();
  await Promise.all(processes.map((process, i) => process.knows({ subscribers: 1, [`user-${i}`]: 1 })));
  await redis.start();
  await Promise.all(processes.map((process) => process.knows(all)));
  await processes[1].follow("late");
  await until(() => processes[0].changes.length > 0);
  expect(processes[0].changes).toEqual([{ type: "join", identity: "late", subscribers: 4 }]);
});
