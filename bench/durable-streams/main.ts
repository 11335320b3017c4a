/**
 * The benchmark of Durable Streams: `npm run bench:durable [-- --quick] [--rounds=n]`. A thousand live readers of one stream of JSON: CPU time
 * of the server process and bytes for each delivery, and the time until the last reader has a message, beside the protocol's reference
 * server. Each way has a new process in each round. The ratios are of CPU time, each of two trials of one round. Ratios are valid within
 * one run only.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startRedis } from "../../test/support/redis.ts";
import { median } from "../../test/support/statistics.ts";
import { figure, table } from "../../test/support/table.ts";
import { machine } from "../support/machine.ts";
import { ratiosTo, RATIO_COLUMNS } from "../support/ratios.ts";

export type Way = (typeof ways)[number];

const ways = ["the reference server", "ours, memory", "ours, SQLite", "ours, Redis"] as const;
const READERS = 1000;
const WARM_UP = 10;
const path = "/v1/stream/bench";
const json = { "content-type": "application/json" };

/** What one way took in one round. */
interface Trial {
  readonly cpuUs: number;
  readonly bytes: number;
  readonly lastMs: number;
}

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, rounds: { type: "string" } } });
const rounds = Number(values.rounds ?? (values.quick ? 1 : 7));
const messages = values.quick ? 30 : 100;

/** Asks a process for the CPU time that it has used, in microseconds. */
async function usage(server: ChildProcess): Promise<number> {
  const answer = once(server, "message");
  server.send("usage");
  const [cpuUs] = (await answer) as [number];
  return cpuUs;
}

/** The readers of a stream, each on a bare socket. */
class Readers {
  bytes = 0;
  #events = 0;
  #awaited = Infinity;
  #notify: () => void = () => undefined;

  /** Opens a reader. Resolves when it is told that it has caught up. */
  open(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = `GET ${path}?offset=-1&live=sse HTTP/1.1\r\nHost: bench\r\n\r\n`;
      const socket = connect(port, "127.0.0.1", () => void socket.write(request));
      socket.on("error", reject);
      let line = "";
      socket.on("data", (data: Buffer) => {
        this.bytes += data.length;
        const lines = (line + data.toString("latin1")).split("\n");
        line = lines.pop() ?? "";
        this.#events += lines.filter((one) => one.startsWith("event: data")).length;
        if (lines.some((one) => one.includes("upToDate"))) resolve();
        if (this.#events >= this.#awaited) this.#notify();
      });
    });
  }

  /** Resolves when each reader has another message. */
  next(): Promise<void> {
    this.#awaited = this.#events + READERS;
    return new Promise((resolve) => (this.#notify = resolve));
  }
}

async function trial(way: Way, address: string): Promise<Trial> {
  const server = fork(fileURLToPath(new URL("server.ts", import.meta.url)), [way, address]);
  const [port] = (await once(server, "message")) as [number];
  const url = `http://127.0.0.1:${port}${path}`;
  await fetch(url, { method: "PUT", headers: json });
  const readers = new Readers();
  for (let opened = 0; opened < READERS; opened += 50) {
    await Promise.all(Array.from({ length: 50 }, () => readers.open(port)));
  }
  /** Appends a message. Returns the time in milliseconds until each reader has it. */
  const append = async (n: number): Promise<number> => {
    const start = performance.now();
    const delivered = readers.next();
    const body = JSON.stringify({ n, text: "x".repeat(80) });
    const { status } = await fetch(url, { method: "POST", headers: json, body });
    if (status !== 204) throw new Error(`${way} answered ${status}.`);
    await delivered;
    return performance.now() - start;
  };
  for (let n = 0; n < WARM_UP; n += 1) await append(n);
  const [bytes, before] = [readers.bytes, await usage(server)];
  const times: number[] = [];
  for (let n = 0; n < messages; n += 1) times.push(await append(n));
  const cpuUs = (await usage(server)) - before;
  const deliveries = messages * READERS;
  const result = { cpuUs: cpuUs / deliveries, bytes: (readers.bytes - bytes) / deliveries, lastMs: median(times) };
  const exited = once(server, "exit");
  server.kill("SIGKILL");
  await exited;
  return result;
}

const { cpu, cores, node } = machine();
console.log(
  `${cpu}, ${cores} cores, Node ${node}; ${rounds} rounds. Load average before: ${(loadavg()[0] as number).toFixed(1)}.`,
);
const redis = await startRedis();
const folder = mkdtempSync(join(tmpdir(), "comet-sockets-bench-"));
const trials = new Map<Way, Trial[]>(ways.map((way) => [way, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
    const address = way === "ours, SQLite" ? join(folder, `${round}.db`) : redis.url;
    await redis.cli("flushall");
    trials.get(way)?.push(await trial(way, address));
  }
}
await redis.close();
rmSync(folder, { recursive: true });

const all = (way: Way, name: keyof Trial): number[] => (trials.get(way) ?? []).map((each) => each[name]);
const of = (way: Way, name: keyof Trial): number => median(all(way, name));
const [reference] = ways;
console.log(
  table(
    [
      "",
      "CPU us a delivery",
      "bytes a delivery",
      "ms until the last of 1,000 readers",
      "x reference",
      ...RATIO_COLUMNS.slice(1),
    ],
    ways.map((way) => [
      way,
      figure(of(way, "cpuUs")),
      figure(of(way, "bytes")),
      figure(of(way, "lastMs")),
      ...(way === reference ? ["1.00", "", ""] : ratiosTo(all(way, "cpuUs"), all(reference, "cpuUs"))),
    ]),
  ),
);
process.exit();
