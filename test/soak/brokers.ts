/**
 * Hubs in several processes on one broker. While hubs and the broker are killed and the connections between them fail, no client loses an
 * acknowledged message or receives it twice; an outage of ten seconds costs no client its connection; a process that is stuck does not hold
 * up the others; messages that two processes publish to one topic have one order. The short form has fewer messages and clients, an outage
 * of eight seconds, and does every kind of harm too. `node test/soak/brokers.ts [redis|nats|postgres ...]`; `MESSAGES`, `CLIENTS` and `PER_SECOND`
 * change the first part.
 */
import type { Engine } from "../support/hub-process.ts";
import { chaos, type ChaosReport } from "./support/broker-chaos.ts";
import { outage } from "./support/broker-outage.ts";
import { race } from "./support/broker-race.ts";
import { stuck } from "./support/broker-stuck.ts";
import { engines } from "./support/broker-world.ts";
import { amount, isShort, shortMs } from "./support/form.ts";
import { Checks } from "./support/processes.ts";
import { Random, seedOfRun } from "./support/random.ts";

const messages = amount("MESSAGES", 50_000, 6000);
const clients = amount("CLIENTS", 300, 90);
const perSecond = amount("PER_SECOND", 1600, 1600);
/** The part with short logs. */
const FEW_MESSAGES = 2000;
const RACE_MESSAGES = amount("RACE_MESSAGES", 10_000, 2000);
const asked = process.argv.length > 2 ? (process.argv.slice(2) as Engine[]) : engines;
const SHORT_LOG = 20;
/** At least 8 s: the check that attempts to reconnect become rarer needs that long. */
const AWAY_MS = amount("AWAY_MS", 10_000, 8000);
const FROZEN_MS = amount("FROZEN_MS", 5000, 3000);

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

/** Acknowledged messages survive all harm; under short logs, gaps are exact; two publishers have one order. */
async function unharmed(engine: Engine, own: Random): Promise<void> {
  const many = { clients, topics: 10, messages, perSecond, maxWindow: 64, publishingMs: shortMs(0.06) };
  judgeChaos(await chaos({ engine, random: own.fork(), ...many }));
  // A third of the clients, and logs so short that a client that is away misses something.
  const few = { clients: clients / 3, topics: 3, messages: FEW_MESSAGES, perSecond: 300, publishingMs: shortMs(0.04) };
  const { gaps } = judgeChaos(await chaos({ engine, random: own.fork(), maxEntries: SHORT_LOG, ...few }));
  checks.that(gaps > 0, `${engine}: no client missed anything`);
  judge(await race({ engine, random: own.fork(), messages: RACE_MESSAGES }));
}

if (isShort) await Promise.all(asked.map((engine) => unharmed(engine, random.fork())));
else for (const engine of asked) await unharmed(engine, random.fork());
// These mostly wait, so the engines take them side by side.
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
