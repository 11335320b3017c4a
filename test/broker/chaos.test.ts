import { afterAll, describe, expect, test } from "vitest";
import { chaos, type ChaosReport } from "../soak/support/broker-chaos.ts";
import { race } from "../soak/support/broker-race.ts";
import { engines } from "../soak/support/broker-world.ts";
import { Random, seedOfRun } from "../soak/support/random.ts";

// `SEED` repeats a run, as far as what three processes, a server and a network do can be repeated.
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
  test("lose nothing that was acknowledged, and publish nothing twice, whatever is killed, cut and stalled", async () => {
    const order = { engine, random: random.fork(), clients: 100, topics: 10, messages: 5500, perSecond: 450 };
    const { violations, deliveries, untried } = note(await chaos(order));
    expect(violations).toEqual([]);
    expect(deliveries).toBeGreaterThan(5500 * 10);
    // A run in which nothing failed has shown nothing.
    expect(untried).toEqual([]);
  });

  test("tell of exactly what the log has let go of", async () => {
    const order = { engine, random: random.fork(), clients: 60, topics: 3, messages: 1600, perSecond: 240 };
    const { violations, gaps } = note(await chaos({ ...order, maxEntries: 20 }));
    expect(violations).toEqual([]);
    expect(gaps).toBeGreaterThan(0);
  });

  test("show everybody one order of what two publish to one topic at full speed", async () => {
    const { violations, text } = await race({ engine, random: random.fork(), messages: 3000 });
    reports.push(text);
    expect(violations).toEqual([]);
  });
});
