/**
 * Random faults of a ring, of clients and of an application's hooks at once: every client gets each message once and in order, as
 * the ledger of the soaks checks it, or a gap that says what is missing. `SEED` repeats a run.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import type { IoUring } from "../../../../../src/adapters/node/uring/index.ts";
import { Client } from "../../../../soak/support/client.ts";
import { Ledger } from "../../../../soak/support/ledger.ts";
import { Publisher } from "../../../../soak/support/publisher.ts";
import { Random } from "../../../../soak/support/random.ts";
import { settled } from "../../../../soak/support/settle.ts";
import { Tally } from "../../../../soak/support/tally.ts";
import { Truth } from "../../../../soak/support/topic-ledger.ts";
import { faultyLibc, type Faults } from "../../../../support/faulty-libc.ts";
import { refusal, startForced } from "../../../../support/uring.ts";

const CLIENTS = 30;
const DELIVERIES = 5000;
/** The sends that rings must make, so that the run shows something. */
const SENDS = 500;
const topics = ["a", "b"];

/** Opens files and connections, which get descriptors that sockets have just freed, and expects that no stream reaches them. */
class Bystanders {
  readonly #folder = mkdtempSync(join(tmpdir(), "comet-sockets-uring-"));
  readonly #files: number[] = [];
  readonly #sockets: Socket[] = [];
  readonly #received: Buffer[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => this.#received.push(data));
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  open(): void {
    if (!this.#server.listening) return;
    for (const file of this.#files.splice(0, 2)) closeSync(this.#checked(file));
    for (const socket of this.#sockets.splice(0, 2)) socket.destroy();
    for (let i = 0; i < 3; i += 1) this.#files.push(openSync(join(this.#folder, `${this.#files.length}`), "w"));
    const { port } = this.#server.address() as AddressInfo;
    this.#sockets.push(connect(port, "127.0.0.1").on("error", () => undefined));
  }

  /** Closes them all. Answers the bytes that they have received, in all. */
  async close(): Promise<number> {
    for (const file of this.#files.splice(0)) closeSync(this.#checked(file));
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true });
    return Buffer.concat(this.#received).length;
  }

  #checked(file: number): number {
    expect(fstatSync(file).size).toBe(0);
    return file;
  }
}

test.each([0, 1, 2])("loses, repeats and misdirects nothing, whatever fails (%i)", async (run) => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000_000) + run;
  const random = new Random(seed);
  const tally = new Tally();
  const truth = new Truth();
  const active: Faults = {};
  const start = (): IoUring => {
    // The self-test needs a ring without faults.
    Object.assign(active, { cut: undefined, take: undefined, lose: undefined } satisfies Faults);
    const started = startForced(() => faultyLibc(active));
    Object.assign(active, {
      cut: (length) => (random.chance(0.1) ? random.whole(0, length) : length),
      take: (count) => (random.chance(0.05) ? random.pick(["fail", "throw", random.whole(0, count)] as const) : count),
      lose: () => random.chance(0.002),
    } satisfies Faults);
    return started;
  };
  let ring = start();
  const rings = [ring];

  const bystanders = new Bystanders();
  await bystanders.listen();
  const sockets = new Set<Socket>();
  const hub = new Hub({
    log: { maxEntries: 1000 },
    heartbeatMs: 1000,
    retryMs: 0,
    maxConnectionBytes: 131_072,
    onError: (error) => void tally.violations.push(String(error)),
    onOpen: () => {
      if (random.chance(0.1)) bystanders.open();
    },
    onClose: () => {
      // Other members of the same batch go, and what is opened gets their descriptors.
      for (const socket of sockets) if (random.chance(0.02)) socket.destroy();
      for (const subscription of hub.subscriptions()) if (random.chance(0.02)) subscription.update({ expiresAt: 1 });
      bystanders.open();
    },
  });
  const server = createServer((request, response) => void nodeHandler(hub)(request, response));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    if (random.chance(0.2)) socket.setTimeout(1_000_000);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const clients = Array.from({ length: CLIENTS }, (_, i) => {
    const followed = i % 3 === 0 ? topics : [topics[i % 2] as string];
    const ledger = new Ledger(followed, truth);
    const wire = i % 5 === 0 ? "sse" : "ndjson";
    return new Client({ wire, topics: followed, port, ledger, random: random.fork(), tally, awayMs: () => 0 });
  });
  const publisher = new Publisher(() => hub, {
    seed: random.whole(0, 1e9),
    topics,
    perSecond: 300,
    minFill: 0,
    maxFill: 1000,
    keys: 0,
  });
  onTestFinished(async () => {
    for (const client of clients) client.stop();
    await hub.close({ drainMs: 0 });
    server.closeAllConnections();
    server.close();
  });
  for (const client of clients) client.start();
  publisher.start();

  const total = (count: "sends" | "rests"): number => rings.reduce((sum, one) => sum + one.stats()[count], 0);
  const isOver = (): boolean =>
    tally.of("deliveries") >= DELIVERIES &&
    (refusal !== undefined || (total("sends") >= SENDS && total("rests") >= SENDS / 10));
  while (!isOver() && tally.violations.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (random.chance(0.1)) random.pick(clients).cut(random.pick(["reset", "close"]));
    if (random.chance(0.1)) random.pick(clients).stall(random.whole(10, 200));
    const socket = random.pick([...sockets, undefined]);
    if (socket !== undefined && random.chance(0.2)) {
      socket.cork();
      setImmediate(() => socket.uncork());
    }
    if (!ring.active && refusal === undefined) rings.push((ring = start()));
  }
  const published = await publisher.stop();
  await settled(clients, published, truth, tally);
  expect(tally.violations, `SEED=${seed - run}`).toEqual([]);
  expect(await bystanders.close()).toBe(0);
});
