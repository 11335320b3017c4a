/**
 * One trial: for each variant a process of its server, and one of its clients, which read everything. A process of its own, which
 * prints its result.
 *
 * The servers run on one core and take turns, some flushes at a time, so that whatever else the machine does meets all of them
 * alike.
 */
import { LineProcess } from "../support/line-process.ts";
import { pinned } from "../support/pinned.ts";
import type { Opening } from "./clients.ts";
import type { Cost, Order } from "./server.ts";
import type { Kind } from "./traffic.ts";
import type { Variant } from "./variants.ts";

export interface TrialSpec {
  readonly kind: Kind;
  /** In the order in which they take their turns; the other way round in every second turn. */
  readonly variants: readonly Variant[];
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
export interface Figures {
  readonly cpuUs: number;
  readonly bytes: number;
}

/** The figures of each variant. */
export type TrialResult = { readonly [variant in Variant]?: Figures };

/** The deliveries of a turn, about, and the most flushes: enough for what other servers have left in the caches not to count. */
const DELIVERIES_A_TURN = 10_000;
const FLUSHES_A_TURN = 50;

const spec = JSON.parse(process.argv[2] ?? "") as TrialSpec;

function start(core: number, script: string, ...args: readonly string[]): LineProcess {
  return new LineProcess(pinned(core, [process.execPath, new URL(script, import.meta.url).pathname, ...args]));
}

/** The server of one variant, its clients, and what its turns have cost so far. */
class Side {
  readonly variant: Variant;
  cpuUs = 0;
  sentBytes = 0;
  #port = 0;
  readonly #server: LineProcess;
  readonly #clients: LineProcess;

  constructor(variant: Variant) {
    this.variant = variant;
    this.#server = start(spec.cores[0], "server.ts", spec.kind, variant);
    this.#clients = start(spec.cores[1], "clients.ts");
  }

  async start(): Promise<void> {
    this.#port = JSON.parse(await this.#server.next()) as number;
  }

  stop(): void {
    this.#server.stop();
    this.#clients.stop();
  }

  /** Has the server do something, and adds what it cost. */
  async order(given: Order): Promise<void> {
    const cost = JSON.parse(await this.#server.ask(JSON.stringify(given))) as Cost | null;
    this.cpuUs += cost?.cpuUs ?? 0;
    this.sentBytes += cost?.sentBytes ?? 0;
  }

  /** Opens the clients. @param query Their parameters besides topic and wire. */
  async open(query: string): Promise<void> {
    const opening: Opening = {
      port: this.#port,
      count: spec.clients,
      perTopic: spec.perTopic === true,
      query,
      acceptEncoding: this.variant === "plain" ? "identity" : "gzip",
    };
    await this.#clients.ask(JSON.stringify(opening));
  }
}

/** Lets each server publish in turn. */
async function takeTurns(sides: readonly Side[], flushes: number): Promise<void> {
  const { perFlush, clients } = spec;
  const most = Math.min(FLUSHES_A_TURN, Math.ceil(DELIVERIES_A_TURN / clients / perFlush));
  for (let done = 0, turn = 0; done < flushes; done += most, turn += 1) {
    const order: Order = { op: "publish", flushes: Math.min(most, flushes - done), perFlush };
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) await side.order(order);
  }
}

/** Returns the number of deliveries of each server. */
async function live(sides: readonly Side[]): Promise<number> {
  const { flushes, perFlush, clients } = spec;
  for (const side of sides) await side.open("");
  await takeTurns(sides, Math.max(20, flushes >> 1));
  for (const side of sides) side.cpuUs = side.sentBytes = 0;
  await takeTurns(sides, flushes);
  return flushes * perFlush * clients;
}

/** Returns the number of clients of each server. */
async function resume(sides: readonly Side[]): Promise<number> {
  for (const side of sides) {
    await side.order({ op: "fill", bytes: spec.backlogBytes });
    await side.order({ op: "begin" });
    await side.open("&from=oldest");
    await side.order({ op: "end" });
  }
  return spec.clients;
}

const sides = spec.variants.map((variant) => new Side(variant));
try {
  for (const side of sides) await side.start();
  const units = await (spec.flushes === 0 ? resume(sides) : live(sides));
  const figures = sides.map(({ variant, cpuUs, sentBytes }) => [
    variant,
    { cpuUs: cpuUs / units, bytes: sentBytes / units },
  ]);
  console.log(JSON.stringify(Object.fromEntries(figures)));
} finally {
  for (const side of sides) side.stop();
}
process.exit(0);
