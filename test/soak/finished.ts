/**
 * 100,000 finished streams, 30,000 in the short form, under a bound of memory: some are read to their end, some in part, some never. What
 * the process holds stays within a factor of the bound, the names that it remembers are bounded, and publishing stays as fast as it was.
 * Runs in one process, without a network. `node test/soak/finished.ts`; `STREAMS` for another number.
 */
import { Enumerator, Hub } from "comet-sockets";
import { median } from "../support/statistics.ts";
import { liveBytes } from "../support/memory.ts";
import { sleep, until } from "./support/clock.ts";
import { amount } from "./support/form.ts";
import { Checks, mebibytes } from "./support/processes.ts";

const STREAMS = amount("STREAMS", 100_000, 30_000);
const WINDOWS = 10;
const MESSAGES = 16;
const MESSAGE_BYTES = 100;
const MAX_LOG_BYTES = 32 * 1_048_576;
/** How much more than `maxLogBytes` the process may hold: the rest is topics, their ends, and the names of those that are gone. */
const MOST_RATIO = 1.5;
/** The number of expired names that a hub remembers. */
const NAMES = 10_000;
/** What may be left when everything has expired: these names, and the compiled code. */
const MOST_LEFT = 12 * 1_048_576;
/** The CPU time of a stream in the last windows beside that in the first that have a full memory. */
const MOST_SLOWDOWN = 2;
const TTL_MS = 300;

const checks = new Checks();
const rest = "x".repeat(MESSAGE_BYTES);

function* tokens(i: number): Generator<string> {
  for (let n = 0; n < MESSAGES; n += 1) yield `${i} ${n} ${rest}`;
  if (i % 10 === 9) throw new Error("One in ten fails.");
}

const nameOf = (i: number): string => `stream ${i}`;
const follow = (hub: Hub, i: number, wire = "ndjson"): Promise<Response> =>
  hub.fetch(new Request(`http://soak/?wire=${wire}&topic=${encodeURIComponent(nameOf(i))}`));

/** Checks that a reader has had a whole stream and its outcome. */
function checkWhole(i: number, text: string): void {
  const messages = text.split("\n").filter((line) => line.includes(`"data":"${i} `)).length;
  const outcome = i % 10 === 9 ? "failed" : "complete";
  const isWhole = messages === MESSAGES && text.includes(`"outcome":"${outcome}"`);
  checks.that(isWhole, `a reader of stream ${i} had ${messages} messages: ${text.slice(-200)}`);
}

/** Publishes a stream, which has a reader from its beginning, one after its end, one that leaves early, or none. */
async function stream(hub: Hub, i: number): Promise<void> {
  const early = i % 4 === 1 || i % 4 === 3 ? follow(hub, i) : undefined;
  const { outcome } = await hub.produce(nameOf(i), () => Enumerator.from(tokens(i)));
  checks.that(outcome === (i % 10 === 9 ? "failed" : "complete"), `stream ${i} is ${outcome}`);
  if (i % 4 === 1) checkWhole(i, await ((await early) as Response).text());
  if (i % 4 === 2) checkWhole(i, await (await follow(hub, i)).text());
  if (i % 4 === 3) await ((await early) as Response).body?.cancel();
}

async function streams(hub: Hub, from: number, to: number): Promise<void> {
  const together = 20;
  for (let i = from; i < to; i += together) {
    const some = Array.from({ length: Math.min(together, to - i) }, (_, n) => stream(hub, i + n));
    await Promise.all(some);
  }
}

function hubOf(ttlMs: number, maxLogBytes: number): Hub {
  return new Hub({
    topics: () => ({ finite: true, ttlMs, startTimeoutMs: 1 }),
    log: { maxAgeMs: TTL_MS },
    maxLogBytes,
    onError: (error) => checks.that(String((error as Error).cause).includes("One in ten"), String(error)),
  });
}

/** What is held once nothing more is freed: requests and responses are freed some turns after their collection. */
async function settledBytes(): Promise<number> {
  let held = liveBytes();
  for (let before = Infinity; held < before - 65_536; held = liveBytes()) {
    before = held;
    await sleep(50);
  }
  return held;
}

/** Loads and compiles the code that the measurements need. */
async function warmUp(): Promise<void> {
  const hub = hubOf(TTL_MS, MAX_LOG_BYTES);
  await streams(hub, 0, 2000);
  await until(() => hub.stats().topics === 0, 60_000);
  await hub.close({ drainMs: 0 });
}

/** Streams expire, and of their names only the newest are remembered. */
async function expired(before: number): Promise<void> {
  const hub = hubOf(TTL_MS, 1_073_741_824);
  await streams(hub, 0, STREAMS);
  const isEmpty = await until(() => hub.stats().topics === 0, 60_000);
  const left = (await settledBytes()) - before;
  const { topics, logBytes } = hub.stats();
  checks.that(isEmpty && logBytes === 0, `${topics} topics are left, with ${logBytes} bytes`);
  const statuses = new Map<number, number>();
  for (let i = 0; i < STREAMS; i += 1000) {
    const answers = Array.from({ length: 1000 }, (_, n) => follow(hub, i + n));
    for (const { status } of await Promise.all(answers)) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  const counts = Array.from(statuses, ([status, count]) => `${count} of status ${status}`).join(", ");
  console.log(`expired: ${STREAMS} streams leave ${mebibytes(left)}; requests for them are answered ${counts}`);
  checks.that(statuses.get(410) === NAMES, `${statuses.get(410) ?? 0} names are remembered`);
  checks.that(statuses.get(404) === STREAMS - NAMES, `${statuses.get(404) ?? 0} names are unknown`);
  checks.that(left < MOST_LEFT, `${mebibytes(left)} are left`);
  await hub.close({ drainMs: 0 });
}

/** Under the bound of memory the oldest streams go. */
async function bounded(before: number): Promise<void> {
  const hub = hubOf(2_000_000_000, MAX_LOG_BYTES);
  const size = STREAMS / WINDOWS;
  const held: number[] = [];
  const costs: number[] = [];
  let firstFull = WINDOWS;
  for (let window = 0; window < WINDOWS; window += 1) {
    const start = process.cpuUsage();
    await streams(hub, window * size, (window + 1) * size);
    const { user, system } = process.cpuUsage(start);
    costs.push((user + system) / size);
    held.push((await settledBytes()) - before);
    const { topics, logBytes } = hub.stats();
    checks.that(logBytes <= MAX_LOG_BYTES, `the logs hold ${mebibytes(logBytes)}`);
    if (topics < (window + 1) * size) firstFull = Math.min(firstFull, window);
  }
  const { topics, logBytes, connections } = hub.stats();
  const full = costs.slice(firstFull);
  const third = Math.max(1, Math.floor(full.length / 3));
  const [first, last] = [median(full.slice(0, third)), median(full.slice(-third))];
  const most = Math.max(...held);
  console.log(
    `bounded: of ${STREAMS} streams of ${MESSAGES} messages ${topics} are kept, in logs of ${mebibytes(logBytes)}; at most ${mebibytes(most)} ` +
      `were held, ${(most / MAX_LOG_BYTES).toFixed(2)} times the bound`,
  );
  console.log(
    `  by tenths: ${held.map(mebibytes).join(", ")}\n  CPU a stream: ${costs.map((us) => us.toFixed(0)).join(", ")} us; since the memory is full ` +
      `${first.toFixed(0)} us, in the end ${last.toFixed(0)} us`,
  );
  checks.that(firstFull < WINDOWS / 2, "the memory was never full for long");
  checks.that(most < MAX_LOG_BYTES * MOST_RATIO, `${mebibytes(most)} are held`);
  checks.that(last < first * MOST_SLOWDOWN, `a stream takes ${last.toFixed(0)} us, and took ${first.toFixed(0)}`);
  checks.that(connections === 0, `${connections} connections are left`);
  checks.that(await isKept(hub, STREAMS - 1), "the newest stream is not kept");
  await hub.close({ drainMs: 0 });
}

async function isKept(hub: Hub, i: number): Promise<boolean> {
  const text = await (await follow(hub, i)).text();
  checkWhole(i, text);
  return text.includes(rest);
}

// The timers of a hub do not keep a process alive.
const alive = setInterval(() => undefined, 1000);
const atStart = await settledBytes();
await warmUp();
await expired(atStart);
await bounded(atStart);
clearInterval(alive);
checks.end();
