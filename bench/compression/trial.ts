/** One trial: a new server process, and clients that read everything. A process of its own, which prints its result. */
import { connect, type Socket } from "node:net";
import { LineProcess } from "../support/line-process.ts";
import { pinned } from "../support/pinned.ts";
import type { Cost, Order } from "./server.ts";
import type { Kind } from "./traffic.ts";
import type { Variant } from "./variants.ts";

export interface TrialSpec {
  readonly kind: Kind;
  readonly variant: Variant;
  readonly clients: number;
  /** Whether each client follows a topic of its own. Every flush then publishes to all of them. */
  readonly perTopic?: boolean;
  /** How many flushes are measured, after as many warm-ups at most; 0 to measure clients that resume instead. */
  readonly flushes: number;
  readonly perFlush: number;
  /** The backlog of each client that resumes, in bytes. */
  readonly backlogBytes: number;
  readonly cores: readonly [server: number, load: number];
}

/** Microseconds of CPU and bytes for each delivery of a message, or for each client that resumes. */
export interface TrialResult {
  readonly cpuUs: number;
  readonly bytes: number;
}

const spec = JSON.parse(process.argv[2] ?? "") as TrialSpec;
const script = new URL("server.ts", import.meta.url).pathname;
const server = new LineProcess(pinned(spec.cores[0], [process.execPath, script, spec.kind, spec.variant]));
const port = JSON.parse(await server.next()) as number;
const order = async (given: Order): Promise<Cost> => JSON.parse(await server.ask(JSON.stringify(given))) as Cost;

let opened = 0;

function open(query: string): Promise<Socket> {
  const topic = spec.perTopic === true ? `bench${(opened += 1)}` : "bench";
  const accepted = spec.variant === "plain" ? "identity" : "gzip";
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", reject);
    socket.write(`GET /?topic=${topic}&wire=sse${query} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${accepted}\r\n\r\n`);
    socket.on("data", () => resolve(socket));
  });
}

const openAll = async (query: string): Promise<void> => {
  // Not all at once: the queue of connections that the server has not taken is short.
  for (let left = spec.clients; left > 0; left -= 50) {
    await Promise.all(Array.from({ length: Math.min(50, left) }, () => open(query)));
  }
};

async function live(): Promise<TrialResult> {
  const { flushes, perFlush, clients } = spec;
  await openAll("");
  await order({ op: "publish", flushes: Math.max(20, flushes >> 1), perFlush });
  const { cpuUs, sentBytes } = await order({ op: "publish", flushes, perFlush });
  const deliveries = flushes * perFlush * clients;
  return { cpuUs: cpuUs / deliveries, bytes: sentBytes / deliveries };
}

async function resume(): Promise<TrialResult> {
  await order({ op: "fill", bytes: spec.backlogBytes });
  await order({ op: "begin" });
  await openAll("&from=oldest");
  const { cpuUs, sentBytes } = await order({ op: "end" });
  return { cpuUs: cpuUs / spec.clients, bytes: sentBytes / spec.clients };
}

try {
  console.log(JSON.stringify(await (spec.flushes === 0 ? resume() : live())));
} finally {
  server.stop();
}
process.exit(0);
