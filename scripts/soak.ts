/**
 * The soaks of the hub and of its client in browsers, one after the other: `npm run test:soak [-- name ...]`, twenty-two minutes for
 * all. Each is a program of its own in test/soak that prints its figures and fails by its exit code. Ends with a line of counts. `SEED`
 * repeats a run.
 */
import { spawnSync } from "node:child_process";

/** What each soak shows, in the order in which they run. */
const soaks: { readonly [name: string]: string } = {
  cuts: "no loss, no duplicate, in order, however connections are cut",
  stalls: "clients that stop reading get what their policy promises",
  slow: "clients that never read cost the others nothing",
  storm: "five thousand come back at once",
  turn: "ten thousand subscribers do not block the event loop",
  topics: "a million topics do not stay in memory",
  brokers: "several processes on Redis and on NATS lose nothing, whatever is killed, cut and stalled",
  forever: "a million events through a forever iframe, in each browser",
  chaos: "a minute of a bad network, in each browser",
};

const asked = process.argv.slice(2);
const names = asked.length > 0 ? asked : Object.keys(soaks);
const unknown = names.filter((name) => !(name in soaks));
if (unknown.length > 0) {
  console.error(`There is no soak ${unknown.join(", ")}: there are ${Object.keys(soaks).join(", ")}.`);
  process.exit(1);
}

/** Every client is a file to its process and one to the server's. */
const FILES = 12_000;
/** No soak takes so long: one that does, has failed. */
const LIMIT_MS = 900_000;
const seed = process.env["SEED"] ?? String(Date.now() % 1_000_000_000);
const failed: string[] = [];
const start = performance.now();
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

for (const name of names) {
  const began = performance.now();
  console.log(`\n> ${name}: ${soaks[name]}`);
  // A shell may raise its limit as far as the system allows; where that is not enough, the soak fails and says so.
  const limit = `[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge ${FILES} ] || ulimit -n ${FILES}`;
  const { status } = spawnSync("sh", ["-c", `${limit}; exec "$@"`, "sh", process.execPath, `test/soak/${name}.ts`], {
    stdio: "inherit",
    env: { ...process.env, SEED: seed },
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  if (status !== 0) failed.push(name);
  console.log(`  ${status === 0 ? "passed" : "FAILED"} in ${seconds(began)}`);
}

if (failed.length > 0)
  console.log(`\nFailed: ${failed.join(", ")}. To repeat: SEED=${seed} npm run test:soak -- ${failed.join(" ")}`);
console.log(`\n${names.length - failed.length} passed, ${failed.length} failed (${seconds(start)})`);
process.exitCode = failed.length > 0 ? 1 : 0;
