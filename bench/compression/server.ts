/**
 * The server of one trial, a process of its own: a hub that sends one kind of traffic. It does what it reads on stdin, one
 * JSON a line, and prints one JSON for each.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createInterface } from "node:readline";
import { Hub, type Topic } from "../../dist/index.js";
import { nodeHandler } from "../../dist/adapters/node/index.js";
import { traffic, type Kind } from "./traffic.ts";
import { compressAlone, compressed, type Variant } from "./variants.ts";

/** An order: to publish so many messages a flush, or to begin and end the measurement of clients that resume. */
export type Order =
  | { readonly op: "publish"; readonly flushes: number; readonly perFlush: number }
  | { readonly op: "fill"; readonly bytes: number }
  | { readonly op: "begin" | "end" };

/** What an order took. */
export interface Cost {
  readonly cpuUs: number;
  readonly sentBytes: number;
  readonly connections: number;
}

const [kind, variant] = process.argv.slice(2) as [Kind, Variant];
/** The topics that clients follow: one, or one for each client. */
const followed = new Map<string, Topic<string>>();
const hub = new Hub({
  compression: variant === "shared",
  maxConnectionBytes: Number.MAX_SAFE_INTEGER,
  heartbeatMs: 0,
  log: { maxBytes: 8_388_608, maxEntries: 100_000 },
  onOpen: ({ topics: [name = ""] }) => void followed.set(name, hub.topic<string>(name)),
});
const handle = nodeHandler(hub);
const sockets = new Set<Socket>();
const server = createServer((request, response: ServerResponse) => {
  if (variant === "gzip" || variant === "brotli") compressAlone(response, variant);
  void handle(request, response);
});
server.on("connection", (socket) => {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
});
const topic = hub.topic("bench");
const next = traffic(kind);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits until everything that was written has left the process. */
async function sent(): Promise<void> {
  const isQuiet = (): boolean =>
    hub.stats().lagging === 0 && [...sockets].every(({ writableLength }) => writableLength === 0);
  do {
    // Asleep, since waiting is not to be measured.
    await new Promise((resolve) => setTimeout(resolve, 1));
    await compressed();
  } while (!isQuiet());
}

const bytesSent = (): number => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0);
let [cpu, bytes] = [process.cpuUsage(), 0];

function begin(): void {
  bytes = bytesSent();
  cpu = process.cpuUsage();
}

function end(): Cost {
  const { user, system } = process.cpuUsage(cpu);
  return { cpuUs: user + system, sentBytes: bytesSent() - bytes, connections: sockets.size };
}

async function publish(flushes: number, perFlush: number): Promise<void> {
  for (let i = 0; i < flushes; i += 1) {
    const before = hub.stats().delivered;
    for (let j = 0; j < perFlush; j += 1) {
      const message = next() as string;
      for (const one of followed.values()) void one.publish(message);
    }
    // A look at each socket in each flush would cost more than what is measured.
    do {
      await turn();
      await turn();
    } while (
      followed.size > 1 &&
      hub.stats().delivered < before + perFlush * followed.size &&
      hub.stats().lagging === 0
    );
    await compressed();
    if (i % 16 === 15) await sent();
  }
  await sent();
}

async function obey(order: Order): Promise<Cost | null> {
  switch (order.op) {
    case "publish":
      begin();
      await publish(order.flushes, order.perFlush);
      return end();
    case "fill":
      for (let filled = 0; filled < order.bytes;) {
        const message = next();
        filled += JSON.stringify(message).length + 40;
        await topic.publish(message as string);
      }
      return null;
    case "begin":
      begin();
      return null;
    case "end":
      await sent();
      return end();
  }
}

server.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify((server.address() as AddressInfo).port));
  createInterface({ input: process.stdin }).on("line", (line) => {
    void obey(JSON.parse(line) as Order).then((result) => console.log(JSON.stringify(result)));
  });
});
