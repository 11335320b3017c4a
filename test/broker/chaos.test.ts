import { afterAll, describe, expect, test } from "vitest";
import { chaos, type ChaosReport } from "../soak/support/broker-chaos.ts";
import { race } from "../soak/support/broker-race.ts";
import { engines } from "../soak/support/broker-world.ts";
import { Random, seedOfRun } from "../soak/support/random.ts";

// `SEED` repeats a run, as far as three processes, a server and a network can repeat it.
const random = new Random(seedOfRun());
const reports: string[] = [];

afterAll(() => {
  console.log(reports.join(""));
});

function note(report: ChaosReport): ChaosReport {
  reports.push(report.text);
  return report;
}

describe.each(engines)("three processes on %s", (engine) => {
  test("lose no acknowledged message, and publish none twice, under kills, cuts and stalls", async () => {
    const order = { engine, random: random.fork(), clients: 100, topics: 10, messages: 5500, perSecond: 450 };
    const { violations, deliveries, untried } = note(await chaos(order));
    expect(violations).toEqual([]);
    expect(deliveries).toBeGreaterThan(5500 * 10);
    // A run without failures shows nothing.
    expect(untried).toEqual([]);
  });

  test("report gaps of exactly the trimmed messages", async () => {
    const order = { engine, random: random.fork(), clients: 60, topics: 3, messages: 1600, perSecond: 240 };
    const { violations, gaps } = note(await chaos({ ...order, maxEntries: 20 }));
    expect(violations).toEqual([]);
    expect(gaps).toBeGreaterThan(0);
  });

  test("show all clients one order of what two processes publish to one topic at full speed", async () => {
    const { violations, text } = await race({ engine, random: random.fork(), messages: 3000 });
    reports.push(text);
    expect(violations).toEqual([]);
  });
});
