/**
 * The benchmark of answers for `useChat`: `npm run bench:ai [-- --quick] [--rounds=n]`. CPU time of the server process and bytes for each
 * token, and the time to the first token, with one reader an answer and with three, beside `resumable-stream` and a bare Response. Each way
 * has a new process in each round. Ratios are valid within one run only.
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
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
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
const trials = new Map<string, Trial[]>();
for (let round = 0; round < rounds; round += 1) {
  for (const readers of readerCounts) {
    for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
      if (readers > 1 && way === "a bare Response") continue;
      const broker = way === "ours, SQLite" ? join(folder, `${round}-${readers}.db`) : redis.url;
      const key = `${way}, ${readers === 1 ? "one reader" : `${readers} readers`}`;
      trials.set(key, [...(trials.get(key) ?? []), await trial(way, readers, broker)]);
    }
  }
}
await redis.close();
rmSync(folder, { recursive: true });

const of = (key: string, name: keyof Trial): number => median((trials.get(key) ?? []).map((each) => each[name]));
const control = of("a bare Response, one reader", "cpuUs");
console.log(
  table(
    ["", "CPU us a token", "x bare", "bytes a token", "ms to the first token", "alone"],
    [...trials.keys()].map((key) => [
      key,
      figure(of(key, "cpuUs")),
      figure(of(key, "cpuUs") / control),
      figure(of(key, "bytes")),
      figure(of(key, "firstMs")),
      figure(of(key, "aloneMs")),
    ]),
  ),
);
