/**
 * The soaks of the hub, of its client in browsers and of brokers, one after the other: `npm run test:soak [-- name ...] [--full]`. The one that
 * only waits runs beside the first of them. Each is a program of its own in test/soak that prints its figures and fails by its exit code. By
 * default each runs in its short form: less of the same work with the same checks, at most two minutes, and twenty minutes for all of them.
 * `--full` is the whole of each. Ends with a line of counts. `--seed`, or the variable `SEED`, repeats a run.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";

/** The purpose of each soak, in the order in which they run. */
const soaks: { readonly [name: string]: string } = {
  cuts: "no loss, no duplicate, in order, however connections are cut",
  uring: "no loss, no duplicate, in order on a ring of io_uring, however connections and sends are cut",
  stalls: "clients that stop reading get what their policy promises",
  slow: "clients that never read cost the others nothing",
  storm: "thousands of clients reconnect at once",
  turn: "thousands of subscribers do not block the event loop",
  topics: "topics that were used once do not stay in memory",
  finished: "finished streams take bounded memory, and slow nothing down",
  requests: "random and mutated requests crash nothing, leave nothing, and get coded answers",
  strangers: "anonymous clients that do their worst do not hurt well-behaved readers",
  brokers: "several processes on a broker lose nothing, whatever is killed, cut and stalled",
  sqlite: "a process that is killed while it writes to a SQLite file loses nothing that it has acknowledged",
  day: "a simulated day of messages stays within the bounds of a SQLite file",
  restart: "a server that keeps its topics in a SQLite file is restarted, and its clients miss nothing",
  postgres: "transactions of an application publish exactly what they commit, whatever is killed, cut and stalled",
  produced: "streams that are produced once over several processes end for every reader",
  answers: "answers of language models end for every reader, whole or with an error, whatever is killed",
  quiet: "no runtime closes a quiet stream or a waiting poll with default options",
  forever: "events through a forever iframe for as long as it lasts, in each browser",
  chaos: "a bad network, in each browser",
};
/** The soak that only waits, beside the others. */
const WAITING = "quiet";
const usage = `npm run test:soak -- [${Object.keys(soaks).join(" | ")} ...] [--full] [--seed=number]`;

/** The time limits of one soak in its short form, and of all together, in seconds. */
const MOST_SECONDS = 120;
const MOST_SECONDS_OF_ALL = 1200;
/** A soak that exceeds its limit by this factor is killed, and fails. */
const GRACE = 1.5;
/** The time limit of a full soak. */
const FULL_SECONDS = 1800;
/** Every client is a file to its process and one to the server's. */
const FILES = 12_000;

function readArgs(): { readonly names: readonly string[]; readonly isFull: boolean; readonly seed: string } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { full: { type: "boolean", default: false }, seed: { type: "string" } },
  });
  const unknown = positionals.filter((name) => !Object.hasOwn(soaks, name));
  if (unknown.length > 0) throw new RangeError(`There is no soak ${unknown.join(", ")}.`);
  return {
    names: positionals.length > 0 ? positionals : Object.keys(soaks),
    isFull: values.full,
    seed: values.seed ?? process.env["SEED"] ?? randomSeed(),
  };
}

function randomSeed(): string {
  return String(Date.now() % 1_000_000_000);
}

function asked(): ReturnType<typeof readArgs> {
  try {
    return readArgs();
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(1);
  }
}

const { names, isFull, seed } = asked();
const failed: string[] = [];
const start = performance.now();
const since = (from: number): string => `${((performance.now() - from) / 1000).toFixed(1)} s`;

/** Returns the time in seconds that the next soak in its short form may take: most of them take much less. */
function secondsLeft(): number {
  return Math.floor(Math.min(MOST_SECONDS, MOST_SECONDS_OF_ALL - (performance.now() - start) / 1000));
}

/** Kills a soak and the processes that it has started. */
function kill({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, "SIGKILL");
}

/** Runs one soak, which prints as it goes or at its end. Resolves to whether it has passed. */
async function run(name: string, printsAtEnd: boolean): Promise<boolean> {
  const seconds = isFull ? FULL_SECONDS : secondsLeft();
  // A shell may raise its limit as far as the system allows; where that is not enough, the soak fails and says so.
  const limit = `[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge ${FILES} ] || ulimit -n ${FILES}`;
  const soak = spawn("sh", ["-c", `${limit}; exec "$@"`, "sh", process.execPath, `test/soak/${name}.ts`], {
    stdio: printsAtEnd ? ["ignore", "pipe", "pipe"] : "inherit",
    env: { ...process.env, SEED: seed, SOAK_SECONDS: isFull ? undefined : String(seconds) },
    // The leader of a process group, which can be killed as a whole.
    detached: true,
  });
  let output = "";
  for (const stream of [soak.stdout, soak.stderr]) stream?.on("data", (data) => (output += String(data)));
  const interrupt = (): void => {
    kill(soak);
    process.exit(1);
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const timer = setTimeout(
    () => {
      console.log(`  ${name} is killed: it may take ${seconds} s`);
      kill(soak);
    },
    seconds * (isFull ? 1 : GRACE) * 1000,
  );
  const [code] = (await once(soak, printsAtEnd ? "close" : "exit")) as [number | null];
  clearTimeout(timer);
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  if (printsAtEnd) console.log(`\n> ${name}: ${soaks[name]}\n${output}`.trimEnd());
  return code === 0;
}

async function judge(name: string, printsAtEnd = false): Promise<void> {
  const began = performance.now();
  if (!printsAtEnd) console.log(`\n> ${name}: ${soaks[name]}`);
  const isPassed = await run(name, printsAtEnd);
  if (!isPassed) failed.push(name);
  console.log(`  ${isPassed ? "passed" : "FAILED"} in ${since(began)}`);
}

const waiting = names.includes(WAITING) && names.length > 1 ? judge(WAITING, true) : undefined;
for (const name of names) if (waiting === undefined || name !== WAITING) await judge(name);
await waiting;

if (failed.length > 0) {
  const form = isFull ? " --full" : "";
  console.log(
    `\nFailed: ${failed.join(", ")}. To repeat: SEED=${seed} npm run test:soak -- ${failed.join(" ")}${form}`,
  );
}
console.log(`\n${names.length - failed.length} passed, ${failed.length} failed (${since(start)})`);
process.exitCode = failed.length > 0 ? 1 : 0;
