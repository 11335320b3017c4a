/**
 * Streams that three processes produce on one broker, once each, while the processes are killed and frozen beyond their leases and the
 * readers are cut: every stream ends for every reader, no token of a producer without its lease is seen, and nobody who is connected waits
 * for longer than the lease and two seconds. `node test/soak/produced.ts [redis|nats ...]`; `STREAMS` changes the number.
 */
import type { Engine } from "../support/hub-process.ts";
import { engines } from "./support/broker-world.ts";
import { amount, isShort } from "./support/form.ts";
import { Checks } from "./support/processes.ts";
import { producedChaos } from "./support/produced-chaos.ts";
import { Random, seedOfRun } from "./support/random.ts";

const streams = amount("STREAMS", 1000, 100);
const concurrency = amount("CONCURRENCY", 60, 40);
const LEASE_MS = 2000;
const asked = process.argv.length > 2 ? (process.argv.slice(2) as Engine[]) : engines;

const checks = new Checks();
const random = new Random(seedOfRun());

async function judge(engine: Engine): Promise<void> {
  const { violations, untried, text } = await producedChaos({
    engine,
    random: random.fork(),
    streams,
    concurrency,
    leaseMs: LEASE_MS,
  });
  console.log(text);
  for (const violation of violations.slice(0, 3)) checks.that(false, violation);
  checks.that(untried.length === 0, `${engine}: nothing was ${untried.join(", ")}`);
}

if (isShort) await Promise.all(asked.map(judge));
else for (const engine of asked) await judge(engine);
checks.end();
// Clients of processes that were killed may still wait for an answer.
process.exit();
