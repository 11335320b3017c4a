/**
 * No loss, no duplicate, in order: on each wire a million messages, 150,000 in the short form, reach 100 clients whose connections are
 * cut in every way there is. `node test/soak/cuts.ts [wire ...]`; `DELIVERIES` for another number.
 */
import type { Wire } from "../../src/wire/item.ts";
import { Child } from "./support/child.ts";
import { Client } from "./support/client.ts";
import { amount, shortMs } from "./support/form.ts";
import { Ledger } from "./support/ledger.ts";
import { FaultProxy } from "./support/proxy.ts";
import type { PublishedTruth } from "./support/publisher.ts";
import { Random, seedOfRun } from "./support/random.ts";
import type { ServerState } from "./support/server-process.ts";
import { settled, verdict } from "./support/settle.ts";
import { Tally } from "./support/tally.ts";
import { Truth } from "./support/topic-ledger.ts";

const CLIENTS = 100;
const DELIVERIES = amount("DELIVERIES", 1_000_000, 150_000);
/** The share of the short form's time that goes to cutting; the rest is for connecting and settling. */
const CUTTING = 0.8;
const topics = ["a", "b & c", "ü=,;."];
const wires =
  process.argv.length > 2 ? (process.argv.slice(2) as Wire[]) : (["comet", "sse", "ndjson", "poll"] as const);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Mostly a client is back soon; sometimes the log has passed it by then. */
function awayMs(random: Random): number {
  return random.chance(0.03) ? random.whole(2000, 5000) : random.whole(0, 200);
}

async function soak(wire: Wire, random: Random): Promise<boolean> {
  const start = performance.now();
  const tally = new Tally();
  const truth = new Truth();
  const server = new Child(new URL("support/server-process.ts", import.meta.url));
  const port = await server.call<number>("listen", {
    seed: random.whole(0, 1e9),
    hub: {
      log: { maxEntries: 1000 },
      heartbeatMs: wire === "ndjson" ? 0 : 1000,
      retryMs: 100,
      maxConnectionAgeMs: 2500,
      maxCometBytes: 262_144,
      maxConnectionBytes: 524_288,
      pollMs: 1000,
    },
  });
  const proxy = new FaultProxy(port, random.fork(), tally);
  const proxied = await proxy.listen();
  const clients = Array.from({ length: CLIENTS }, (_, i) => {
    const followed = i % 10 < 3 ? topics : [topics[i % 3] as string];
    const ledger = new Ledger(followed, truth);
    const through = i % 2 === 0 ? proxied : port;
    return new Client({ wire, topics: followed, port: through, ledger, random: random.fork(), tally, awayMs });
  });
  for (const client of clients) client.start();
  await sleep(300);
  await server.call("publish", {
    seed: random.whole(0, 1e9),
    topics,
    perSecond: 1200,
    minFill: 0,
    maxFill: 150,
    keys: 0,
  });
  await harm(clients, server, random, tally);
  proxy.active = false;
  const published = await server.call<PublishedTruth>("stopPublishing");
  await settled(clients, published, truth, tally);
  const { stats, errors } = await server.call<ServerState>("state");
  for (const client of clients) client.stop();
  proxy.close();
  server.stop();
  tally.violations.push(...errors.map((error) => `server: ${error}`));
  if (stats.lagging > 0) tally.violations.push(`${stats.lagging} connections lag although all has been sent.`);
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `\n${wire}: ${tally.of("deliveries")} deliveries of ${published.published} messages to ${CLIENTS} clients in ` +
      `${seconds.toFixed(1)} s\n  cuts: ${tally.line("cuts")}\n  ends: ${tally.line("ends")}\n` +
      `  requests: ${tally.line("requests")}; answers: ${tally.line("answers")}\n  states: ${tally.line("states")}\n` +
      `  gaps: ${tally.line("gaps")}, of ${clients.reduce((sum, { ledger }) => sum + missedBy(ledger), 0)} messages; ` +
      `heartbeats: ${tally.of("heartbeats")}; epochs: ${published.epochs.length}`,
  );
  return verdict(tally, wire);
}

function missedBy({ topics: ledgers }: Ledger): number {
  return Array.from(ledgers.values()).reduce((sum, { missed }) => sum + missed, 0);
}

/** Cuts at random until enough has been delivered, or time is over, or something is wrong; the server restarts at least once. */
async function harm(clients: readonly Client[], server: Child, random: Random, tally: Tally): Promise<void> {
  const deadline = performance.now() + shortMs(CUTTING / wires.length);
  const isEnough = (): boolean =>
    (tally.of("deliveries") >= DELIVERIES || performance.now() > deadline) && tally.of("cuts by restart") > 0;
  let restartAt = performance.now() + 3000;
  let restarting: Promise<unknown> | undefined;
  while (!isEnough() && tally.violations.length === 0) {
    await sleep(random.whole(0, 60));
    for (let i = random.whole(0, 3); i > 0; i -= 1) {
      const how = random.chance(0.5) ? "reset" : "close";
      if (random.pick(clients).cut(how)) tally.add(`cuts by the client (${how})`);
    }
    if (random.chance(0.3)) tally.add("cuts by the server", await server.call<number>("cutSome", random.whole(1, 5)));
    if (random.chance(0.3)) random.pick(clients).stall(random.whole(10, 1000));
    if (restarting === undefined && performance.now() > restartAt) {
      tally.add("cuts by restart");
      restarting = server.call("restart", random.whole(0, 300)).then(() => {
        restartAt = performance.now() + random.whole(1000, 6000);
        restarting = undefined;
      });
    }
  }
  await restarting;
  // Or else nothing might be published after a restart, and everybody would be right to wait in an epoch that nobody knows of.
  await sleep(500);
}

const random = new Random(seedOfRun());
let passed = true;
for (const wire of wires) passed = (await soak(wire, random.fork())) && passed;
process.exitCode = passed ? 0 : 1;
