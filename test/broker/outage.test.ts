import { afterAll, describe, expect, test } from "vitest";
import { outage } from "../soak/support/broker-outage.ts";
import { stuck } from "../soak/support/broker-stuck.ts";
import { engines } from "../soak/support/broker-world.ts";
import { Random, seedOfRun } from "../soak/support/random.ts";

const random = new Random(seedOfRun());
const reports: string[] = [];

afterAll(() => {
  console.log(reports.join(""));
});

test.each(["stopped", "stalled"] as const)(
  "keeps clients, rejects in time, buffers little and recovers without help when the broker is %s",
  async (how) => {
    // These runs mostly wait, so two run side by side. With more the machine would be what makes them late.
    for (let i = 0; i < engines.length; i += 2) {
      const pair = engines.slice(i, i + 2);
      const runs = pair.map((engine) => outage({ engine, random: random.fork(), how, awayMs: 7000 }));
      for (const { violations, text } of await Promise.all(runs)) {
        reports.push(text);
        expect(violations).toEqual([]);
      }
    }
  },
);

describe.each(engines)("processes on %s, when one of them is stuck,", (engine) => {
  test("do not wait for it, and it misses no message", async () => {
    const { violations, text } = await stuck({ engine, random: random.fork(), frozenMs: 2500 });
    reports.push(text);
    expect(violations).toEqual([]);
  });

  test("have it report a gap if history was trimmed", async () => {
    const { violations, text } = await stuck({ engine, random: random.fork(), frozenMs: 1500, maxEntries: 50 });
    reports.push(text);
    expect(violations).toEqual([]);
  });
});
