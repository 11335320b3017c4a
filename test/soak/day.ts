/**
 * A day at 100 messages a second in one SQLite file, an hour of which is kept: the file, its log and its rows stay within their bounds. The clock is
 * simulated, and the day runs as fast as the disk lets it; the short form runs three hours. `node test/soak/day.ts`; `HOURS` for another number.
 */
import { statSync } from "node:fs";
import * as sqlite from "node:sqlite";
import { openDatabase } from "../../src/brokers/sqlite/open-database.ts";
import { Store } from "../../src/brokers/sqlite/store.ts";
import { sqliteFolder } from "../support/sqlite.ts";
import { quantile } from "../support/statistics.ts";
import { table } from "../support/table.ts";
import { amount } from "./support/form.ts";
import { Checks, mebibytes } from "./support/processes.ts";

const HOURS = amount("HOURS", 24, 3);
const PER_SECOND = 100;
const TOPICS = 10;
const HOUR_MS = 3_600_000;
const HELD = (PER_SECOND * HOUR_MS) / 1000;
/** A broker may hold a sixteenth or 256 messages of each topic more than its bounds allow. */
const MOST_ROWS = HELD + Math.max(HELD / 16, 256 * TOPICS);
/** The file holds about an hour from its second hour on, and its free pages are used again. */
const MOST_GROWTH = 1.1;
const MOST_LOG_BYTES = 33_554_432;
const bounds = { maxEntries: 1_000_000, maxBytes: 2 ** 30, maxAgeMs: HOUR_MS };

const file = sqliteFolder();
const options = { path: file.path, synchronous: "full", timeoutMs: 5000, topicTtlMs: 24 * HOUR_MS } as const;
const database = openDatabase(sqlite, { ...options, mustCheck: false });
let now = Date.UTC(2026, 10, 28);
const store = new Store(database, { topicTtlMs: options.topicTtlMs, clock: () => now });
const checks = new Checks();
const count = database.prepare("SELECT count(*) AS rows FROM message");
const batchesMs: number[] = [];
const lines: string[][] = [];
let published = 0;
let firstBytes = Infinity;

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function second(): void {
  now += 1000;
  const calls = Array.from({ length: PER_SECOND }, () => {
    published += 1;
    const json = JSON.stringify(`${published} `.padEnd(118, "."));
    const message = { json, event: undefined, key: undefined, messageId: undefined, bytes: json.length };
    return { op: "publish", topic: `topic-${published % TOPICS}`, message, bounds } as const;
  });
  const start = performance.now();
  const { answers } = store.write(calls, Infinity, true);
  batchesMs.push(performance.now() - start);
  const refused = answers.find((answer) => "error" in answer);
  if (refused !== undefined) checks.that(false, JSON.stringify(refused));
  while (store.sweep(Infinity));
}

const start = process.cpuUsage();
for (let hour = 1; hour <= HOURS; hour += 1) {
  batchesMs.length = 0;
  let mostLog = 0;
  for (let i = 0; i < 3600; i += 1) {
    second();
    if (i % 60 === 0) mostLog = Math.max(mostLog, sizeOf(`${file.path}-wal`));
  }
  const { rows } = count.get() as { rows: number };
  const bytes = sizeOf(file.path);
  if (hour === 2) firstBytes = bytes;
  checks.that(rows <= MOST_ROWS, `there are ${rows} rows in hour ${hour}, for ${HELD} to be kept`);
  checks.that(bytes <= firstBytes * MOST_GROWTH, `the file has ${mebibytes(bytes)} in hour ${hour}`);
  checks.that(mostLog <= MOST_LOG_BYTES, `the log had ${mebibytes(mostLog)} in hour ${hour}`);
  const times = [0.5, 0.99, 1].map((part) => quantile(batchesMs, part).toFixed(1));
  lines.push([String(hour), String(rows), mebibytes(bytes), mebibytes(mostLog), ...times]);
}
const { user, system } = process.cpuUsage(start);
console.log(table(["hour", "rows", "file", "log at most", "100 messages ms p50", "p99", "max"], lines));
console.log(`${published} messages, ${((user + system) / published).toFixed(1)} us of CPU each`);
database.close();
await file.close();
checks.end();
