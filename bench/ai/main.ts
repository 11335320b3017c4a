/**
 * The benchmark of answers for `useChat`: `npm run bench:ai [-- --quick] [--rounds=n]`. CPU time of the server process and bytes for each
 * token, and the time to the first token, with one reader an answer and with three, beside `resumable-stream` and a bare Response. Each way
 * has a new process in each round. The ratios are of CPU time, to the bare Response and to `resumable-stream` with as many readers, each of
 * two trials of one round. Ratios are valid within one run only.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startRedis } from "../../test/support/redis.ts";
import { median } from "../../test/support/statistics.ts";
import { figure, table } from "../../test/support/table.ts";
import { machine } from "../support/machine.ts";
import { ratiosTo, RATIO_COLUMNS } from "../support/ratios.ts";
import { inRounds } from "../support/rounds.ts";

export type Way = (typeof ways)[number];

/** The body of a request: the server answers with so many tokens, and a pause before each. */
export interface Question {
  readonly id: string;
  readonly tokens: number;
  readonly pauseMs: number;
}

const ways = ["a bare Response", "resumable-stream, Redis", "ours, memory", "ours, Redis", "ours, SQLite"] as const;
const readerCounts = [1, 3] as const;

/** What one way took in one round. */
interface Trial {
  readonly cpuUs: number;
  readonly bytes: number;
  readonly firstMs: number;
  /** The same, of answers one after the other. */
  readonly aloneMs: number;
}

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, rounds: { type: "string" } } });
const rounds = Number(values.rounds ?? (values.quick ? 1 : 7));
const load = values.quick
  ? { answers: 20, concurrency: 10, tokens: 100, pauseMs: 4 }
  : { answers: 60, concurrency: 20, tokens: 250, pauseMs: 4 };

/** Asks a process by IPC. */
async function ask(server: ChildProcess): Promise<number> {
  const answer = once(server, "message");
  server.send("usage");
  const [cpuUs] = (await answer) as [number];
  return cpuUs;
}

/** Reads a response to its end. Returns its bytes, and the time until the first token. */
async function read(url: string, init: RequestInit, onFirst?: () => void): Promise<{ bytes: number; firstMs: number }> {
  const start = performance.now();
  const response = await fetch(url, init);
  const decoder = new TextDecoder();
  let [bytes, firstMs] = [0, NaN];
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (Number.isNaN(firstMs) && decoder.decode(piece).includes("text-delta")) {
      firstMs = performance.now() - start;
      onFirst?.();
    }
  }
  return { bytes, firstMs };
}

let asked = 0;

/** One answer with its readers. */
async function answer(
  origin: string,
  readers: number,
  tokens: number = load.tokens,
): Promise<{ bytes: number; firstMs: number }> {
  const { pauseMs } = load;
  const question: Question = { id: String((asked += 1)), tokens, pauseMs };
  const others: Promise<unknown>[] = [];
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) };
  const result = await read(`${origin}/`, init, () => {
    for (let i = 1; i < readers; i += 1) others.push(read(`${origin}/${question.id}`, {}));
  });
  await Promise.all(others);
  return result;
}

async function trial(way: Way, readers: number, broker: string): Promise<Trial> {
  const server = fork(fileURLToPath(new URL("server.ts", import.meta.url)), [way, broker]);
  const [port] = (await once(server, "message")) as [number];
  const origin = `http://127.0.0.1:${port}`;
  await Promise.all(Array.from({ length: 10 }, () => answer(origin, readers)));
  const alone: number[] = [];
  for (let i = 0; i < 30; i += 1) alone.push((await answer(origin, readers, 3)).firstMs);
  const before = await ask(server);
  const results: { bytes: number; firstMs: number }[] = [];
  await Promise.all(
    Array.from({ length: load.concurrency }, async () => {
      while (results.length < load.answers) results.push(await answer(origin, readers));
    }),
  );
  const cpuUs = (await ask(server)) - before;
  const exited = once(server, "exit");
  server.kill();
  await exited;
  const tokens = results.length * load.tokens;
  return {
    cpuUs: cpuUs / tokens,
    bytes: results.reduce((sum, { bytes }) => sum + bytes, 0) / tokens,
    firstMs: median(results.map(({ firstMs }) => firstMs)),
    aloneMs: median(alone),
  };
}

const { cpu, cores, node } = machine();
console.log(
  `${cpu}, ${cores} cores, Node ${node}; ${rounds} rounds. Load average before: ${(loadavg()[0] as number).toFixed(1)}.`,
);
const redis = await startRedis();
const folder = mkdtempSync(join(tmpdir(), "comet-sockets-bench-"));
const keyOf = (way: Way, readers: number): string => `${way}, ${readers === 1 ? "one reader" : `${readers} readers`}`;
const rows = readerCounts
  .flatMap((readers) => ways.map((way) => ({ way, readers, key: keyOf(way, readers) })))
  // A bare response has one reader.
  .filter(({ way, readers }) => readers === 1 || way !== ways[0]);
const trials = await inRounds(rows, rounds, ({ way, readers }, round) => {
  const broker = way === "ours, SQLite" ? join(folder, `${round}-${readers}.db`) : redis.url;
  return trial(way, readers, broker);
});
await redis.close();
rmSync(folder, { recursive: true });

const results = new Map([...trials].map(([{ key }, found]) => [key, found]));
const all = (key: string, name: keyof Trial): number[] => (results.get(key) ?? []).map((each) => each[name]);
const of = (key: string, name: keyof Trial): string => figure(median(all(key, name)));
console.log(
  table(
    ["", "CPU us a token", "bytes a token", "ms to the first token", "alone"],
    rows.map(({ key }) => [key, of(key, "cpuUs"), of(key, "bytes"), of(key, "firstMs"), of(key, "aloneMs")]),
  ),
);
const controls = [
  ["x bare", () => keyOf(ways[0], 1)],
  ["x resumable-stream", (readers: number) => keyOf(ways[1], readers)],
] as const;
for (const [title, controlOf] of controls) {
  const compared = rows.filter(({ key, readers }) => key !== controlOf(readers));
  const ratios = compared.map(({ key, readers }) => [
    key,
    ...ratiosTo(all(key, "cpuUs"), all(controlOf(readers), "cpuUs")),
  ]);
  console.log(`\n${table([title, ...RATIO_COLUMNS], ratios)}`);
}
