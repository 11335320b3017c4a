/**
 * No loss, no duplicate, in order on a ring of io_uring that sends to every group: ten million deliveries, 150,000 in the short form, to
 * 100 clients whose connections are cut, while the ring's sends are cut, refused and lost. `node test/soak/uring.ts`; `DELIVERIES` for
 * another number.
 */
import { Child } from "./support/child.ts";
import { Client } from "./support/client.ts";
import { sleep } from "./support/clock.ts";
import type { RingState } from "./support/faulty-rings.ts";
import { amount, shortMs } from "./support/form.ts";
import { Ledger } from "./support/ledger.ts";
import { Checks } from "./support/processes.ts";
import type { PublishedTruth } from "./support/publisher.ts";
import { Random, seedOfRun } from "./support/random.ts";
import type { ServerState } from "./support/server-process.ts";
import { settled, verdict } from "./support/settle.ts";
import { Tally } from "./support/tally.ts";
import { Truth } from "./support/topic-ledger.ts";

const CLIENTS = 100;
const DELIVERIES = amount("DELIVERIES", 10_000_000, 150_000);
/** The share of the short form's time after which it ends, whatever has been delivered. */
const DEADLINE_MS = shortMs(0.4);
const topics = ["a", "b & c"];

const random = new Random(seedOfRun());
const checks = new Checks();
const tally = new Tally();
const truth = new Truth();
const server = new Child(new URL("support/server-process.ts", import.meta.url));
await server.call("startRing", random.whole(0, 1e9));
const port = await server.call<number>("listen", {
  seed: random.whole(0, 1e9),
  hub: { log: { maxEntries: 4000 }, heartbeatMs: 1000, retryMs: 100, maxConnectionBytes: 1_048_576 },
});
const clients = Array.from({ length: CLIENTS }, (_, i) => {
  const followed = i % 4 === 0 ? topics : [topics[i % 2] as string];
  const ledger = new Ledger(followed, truth);
  const wire = (["sse", "ndjson", "comet"] as const)[i % 3] ?? "sse";
  const awayMs = (): number => random.whole(0, 200);
  return new Client({ wire, topics: followed, port, ledger, random: random.fork(), tally, awayMs });
});
for (const client of clients) client.start();
const start = performance.now();
await server.call("publish", {
  seed: random.whole(0, 1e9),
  topics,
  perSecond: 500,
  minFill: 0,
  maxFill: 300,
  keys: 0,
});
const isOver = (): boolean => tally.of("deliveries") >= DELIVERIES || performance.now() - start > DEADLINE_MS;
while (!isOver() && tally.violations.length === 0) {
  await sleep(random.whole(0, 60));
  if (random.chance(0.5)) {
    const how = random.chance(0.5) ? "reset" : "close";
    if (random.pick(clients).cut(how)) tally.add(`cuts by the client (${how})`);
  }
  if (random.chance(0.2)) tally.add("cuts by the server", await server.call<number>("cutSome", random.whole(1, 5)));
  if (random.chance(0.3)) random.pick(clients).stall(random.whole(10, 1000));
}
const published = await server.call<PublishedTruth>("stopPublishing");
await settled(clients, published, truth, tally);
const { errors, stats } = await server.call<ServerState>("state");
const ring = await server.call<RingState>("ring");
for (const client of clients) client.stop();
server.stop();
tally.violations.push(...errors.map((error) => `server: ${error}`));
console.log(
  `${tally.of("deliveries")} deliveries of ${published.published} messages in ` +
    `${((performance.now() - start) / 1000).toFixed(1)} s; ${ring.sends} sends by ${ring.calls} calls of ${ring.rings} rings, ` +
    `${ring.rests} cut or refused, ${ring.destroyed} lost\n  cuts: ${tally.line("cuts")}\n  gaps: ${tally.line("gaps")}`,
);
checks.that(verdict(tally, "uring"), "a client has lost something");
checks.that(stats.lagging === 0, `${stats.lagging} connections lag although all has been sent`);
if (ring.rings === 0) console.log(`  io_uring is refused, so this was the fallback: ${String(ring.reason)}`);
else {
  checks.that(ring.sends > tally.of("deliveries") / 1000, `the rings have made ${ring.sends} sends only`);
  checks.that(ring.rests > 100 && ring.destroyed > 0, "too few faults: the check of them shows nothing");
}
checks.end();
