/**
 * Hubs in several processes on one broker. While hubs and the broker are killed and the connections between them fail, no client loses what
 * was acknowledged, or has it twice; an outage of ten seconds costs nobody a connection; a process that is stuck does not hold up the
 * others; what two publish to one topic has one order. `node test/soak/brokers.ts [redis|nats ...]`; `MESSAGES`, `CLIENTS` and `PER_SECOND`
 * change the first.
 */
import type { Engine } from "../support/hub-process.ts";
import { chaos, type ChaosReport } from "./support/broker-chaos.ts";
import { outage } from "./support/broker-outage.ts";
import { race } from "./support/broker-race.ts";
import { stuck } from "./support/broker-stuck.ts";
import { engines } from "./support/broker-world.ts";
import { Checks } from "./support/processes.ts";
import { Random, seedOfRun } from "./support/random.ts";

const number = (name: string, fallback: number): number => Number(process.env[name] ?? fallback);
const messages = number("MESSAGES", 50_000);
const clients = number("CLIENTS", 300);
const perSecond = number("PER_SECOND", 1600);
const asked = process.argv.length > 2 ? (process.argv.slice(2) as Engine[]) : engines;
const SHORT_LOG = 20;
const AWAY_MS = 10_000;
const FROZEN_MS = 5000;

const checks = new Checks();
const random = new Random(seedOfRun());

function judge<R extends { readonly violations: readonly string[]; readonly text: string }>(report: R): R {
  console.log(report.text);
  for (const violation of report.violations.slice(0, 3)) checks.that(false, violation);
  return report;
}

function judgeChaos(report: ChaosReport): ChaosReport {
  checks.that(report.untried.length === 0, `nothing was ${report.untried.join(", ")}`);
  return judge(report);
}

for (const engine of asked) {
  const many = { clients, topics: 10, messages, perSecond, maxWindow: 64 };
  judgeChaos(await chaos({ engine, random: random.fork(), ...many }));
  // A third of the clients, and logs so short that whoever is away misses something.
  const few = { clients: clients / 3, topics: 3, messages: messages / 25, perSecond: 300, maxEntries: SHORT_LOG };
  const { gaps } = judgeChaos(await chaos({ engine, random: random.fork(), ...few }));
  checks.that(gaps > 0, `${engine}: nobody missed anything`);
  judge(await race({ engine, random: random.fork(), messages: 10_000 }));
}
// These wait more than they do.
for (const how of ["stopped", "stalled"] as const) {
  const all = asked.map((engine) => outage({ engine, random: random.fork(), how, awayMs: AWAY_MS }));
  for (const report of await Promise.all(all)) judge(report);
}
for (const bounds of [{}, { maxEntries: 50 }]) {
  const all = asked.map((engine) => stuck({ engine, random: random.fork(), frozenMs: FROZEN_MS, ...bounds }));
  for (const report of await Promise.all(all)) judge(report);
}
checks.end();
// Clients of processes that were killed may still wait for an answer.
process.exit();
