/**
 * Clients that stop reading for a while, under each policy: a slow client gets what the policy promises, and a gap for exactly the
 * messages that it misses. `node test/soak/stalls.ts [wire ...]`; `SECONDS` of stalling for each wire, 14 by default and 8 in the short form.
 */
import type { Wire } from "../../src/wire/item.ts";
import { Child } from "./support/child.ts";
import { Client } from "./support/client.ts";
import { amount } from "./support/form.ts";
import { Ledger } from "./support/ledger.ts";
import type { PublishedTruth } from "./support/publisher.ts";
import { Random, seedOfRun } from "./support/random.ts";
import type { ServerState } from "./support/server-process.ts";
import { settled, verdict } from "./support/settle.ts";
import { Tally } from "./support/tally.ts";
import { Truth } from "./support/topic-ledger.ts";

const CLIENTS_PER_POLICY = 5;
const SECONDS = amount("SECONDS", 14, 8);
/** Each topic has the policy of its name. */
const policies = ["resume", "skip", "latest"] as const;
const wires =
  process.argv.length > 2 ? (process.argv.slice(2) as Wire[]) : (["comet", "sse", "ndjson", "poll"] as const);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Stalling {
  readonly policy: (typeof policies)[number];
  readonly tally: Tally;
  readonly clients: readonly Client[];
}

async function soak(wire: Wire, random: Random): Promise<boolean> {
  const start = performance.now();
  const truth = new Truth();
  const server = new Child(new URL("support/server-process.ts", import.meta.url));
  const port = await server.call<number>("listen", {
    seed: random.whole(0, 1e9),
    // Without heartbeats, nothing but the message itself can bring a client what it waits for.
    hub: { log: { maxEntries: 48 }, heartbeatMs: 0, retryMs: 50, pollMs: 2000, maxCometBytes: 2 ** 28 },
    topics: { resume: { overflow: "resume" }, skip: { overflow: "skip" }, latest: { overflow: "latest" } },
  });
  const all: Stalling[] = policies.map((policy) => {
    const tally = new Tally();
    const awayMs = (): number => 0;
    const create = (): Client => {
      const ledger = new Ledger([policy], truth, policy === "latest");
      return new Client({ wire, topics: [policy], port, ledger, random: random.fork(), tally, awayMs });
    };
    return { policy, tally, clients: Array.from({ length: CLIENTS_PER_POLICY }, create) };
  });
  for (const { clients } of all) for (const client of clients) client.start();
  await sleep(300);
  // More a second than a connection's buffers take, and keys enough that some are not published to in a while.
  await server.call("publish", {
    seed: random.whole(0, 1e9),
    topics: policies,
    perSecond: 450,
    minFill: 6000,
    maxFill: 15_000,
    keys: 20,
  });
  await stall(all, random);
  const published = await server.call<PublishedTruth>("stopPublishing");
  await Promise.all(all.map(({ clients, tally }) => settled(clients, published, truth, tally)));
  const { stats, errors } = await server.call<ServerState>("state");
  server.stop();
  console.log(`\n${wire}: ${published.published} messages, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  let passed = true;
  for (const one of all) {
    for (const client of one.clients) client.stop();
    report(one);
    if (one.policy === "latest") checkNewest(one, published);
    checkExercised(one, wire);
    one.tally.violations.push(...errors.map((error) => `server: ${error}`));
    if (stats.lagging > 0) one.tally.violations.push(`${stats.lagging} connections lag.`);
    passed = verdict(one.tally, `${wire}, ${one.policy}`) && passed;
  }
  return passed;
}

async function stall(all: readonly Stalling[], random: Random): Promise<void> {
  const end = performance.now() + SECONDS * 1000;
  const clients = all.flatMap(({ clients: some }) => some);
  while (performance.now() < end && all.every(({ tally }) => tally.violations.length === 0)) {
    await sleep(random.whole(50, 150));
    random.pick(clients).stall(random.whole(200, 7000));
    if (random.chance(0.03)) random.pick(clients).cut("reset");
  }
}

function report({ policy, tally, clients }: Stalling): void {
  const sum = (of: "missed" | "gaps"): number =>
    clients.reduce((total, { ledger }) => total + (ledger.topics.get(policy)?.[of] ?? 0), 0);
  console.log(
    `  ${policy}: ${tally.of("deliveries")} deliveries, ${tally.of("stalls all")} stalls, ${sum("gaps")} gaps of ` +
      `${sum("missed")} messages; states: ${tally.line("states")}; ends: ${tally.line("ends")}`,
  );
}

/** Of each key, the newest message must have come. */
function checkNewest({ policy, tally, clients }: Stalling, { newest }: PublishedTruth): void {
  for (const { ledger } of clients) {
    for (const [key, n] of Object.entries(newest[policy] ?? {})) {
      const had = ledger.topics.get(policy)?.newest.get(key);
      if (had !== n) tally.violations.push(`The newest of ${key} is ${n}; a client had ${String(had)}.`);
    }
  }
}

/** A soak in which nobody was too slow has shown nothing. */
function checkExercised({ policy, tally, clients }: Stalling, wire: Wire): void {
  if (clients.every(({ ledger }) => ledger.topics.get(policy)?.gaps === 0)) tally.violations.push("There was no gap.");
  if (policy === "resume" && wire !== "poll" && tally.of("ends overflow") === 0) {
    tally.violations.push("No stream was ended by an overflow.");
  }
}

const random = new Random(seedOfRun());
let passed = true;
for (const wire of wires) passed = (await soak(wire, random.fork())) && passed;
process.exitCode = passed ? 0 : 1;
