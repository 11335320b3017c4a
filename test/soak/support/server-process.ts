/** The program of the process that a soak's server has to itself: the hub and its publisher, told what to do over IPC. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { HubStats } from "comet-sockets";
import { serveCalls } from "./child.ts";
import { HubServer, type ServerOptions } from "./hub-server.ts";
import type { FaultyRings } from "./faulty-rings.ts";
import { encodings, lateWrites, slice, tasks, timers } from "./probe.ts";
import { Publisher, type PublishOrder } from "./publisher.ts";
import { publishStamped, type StampOrder } from "./stamper.ts";

let server: HubServer | undefined;
let publisher: Publisher | undefined;
let rings: FaultyRings | undefined;
let loopDelay: ReturnType<typeof monitorEventLoopDelay> | undefined;
let peakRss = 0;

function theServer(): HubServer {
  if (server === undefined) throw new Error("There is no server yet.");
  return server;
}

export interface ServerState {
  readonly stats: HubStats;
  readonly errors: readonly string[];
  /** Resident memory now, and the most since it was last asked for, in bytes; looked at ten times a second. */
  readonly rss: number;
  readonly peakRss: number;
  /** What JavaScript holds, in its heap and in buffers, with what is not collected yet. */
  readonly heapUsed: number;
  readonly arrayBuffers: number;
  /** CPU of the process up to now, in milliseconds. */
  readonly cpuMs: number;
}

/** What {@link probe.ts} has seen; only with it loaded before. */
export interface ProbeState {
  readonly texts: number;
  readonly mostEncodings: number;
  readonly tasks: { readonly p50Us: number; readonly p99Us: number; readonly maxUs: number; readonly count: number };
  readonly loop: { readonly p50Us: number; readonly p99Us: number; readonly maxUs: number };
  /** Tasks that took longer than a slice, and the writes that they began after it. */
  readonly overtime: { readonly tasks: number; readonly p50: number; readonly p90: number; readonly most: number };
  readonly timers: typeof timers;
  /** What keeps the process alive, by kind. */
  readonly resources: { readonly [kind: string]: number };
}

function state(): ServerState {
  const { user, system } = process.cpuUsage();
  const answer = {
    stats: theServer().hub.stats(),
    errors: theServer().errors,
    rss: process.memoryUsage.rss(),
    peakRss: Math.max(peakRss, process.memoryUsage.rss()),
    heapUsed: process.memoryUsage().heapUsed,
    arrayBuffers: process.memoryUsage().arrayBuffers,
    cpuMs: (user + system) / 1000,
  };
  peakRss = 0;
  return answer;
}

function probe(): ProbeState {
  const us = (ns: number | undefined): number => Math.round((ns ?? 0) / 1000);
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return {
    texts: encodings.size,
    mostEncodings: Math.max(0, ...encodings.values()),
    tasks: { p50Us: tasks.percentile(50), p99Us: tasks.percentile(99), maxUs: tasks.max, count: tasks.count },
    loop: { p50Us: us(loopDelay?.percentile(50)), p99Us: us(loopDelay?.percentile(99)), maxUs: us(loopDelay?.max) },
    overtime: {
      tasks: lateWrites.count,
      p50: lateWrites.percentile(50) - 1,
      p90: lateWrites.percentile(90) - 1,
      most: lateWrites.max - 1,
    },
    timers: { ...timers },
    resources,
  };
}

/** Forgets what the probe has seen, and watches the event loop from now on. */
function watch(sliceMs: number): void {
  tasks.reset();
  encodings.clear();
  lateWrites.reset();
  slice.ms = sliceMs;
  loopDelay ??= monitorEventLoopDelay({ resolution: 1 });
  loopDelay.enable();
  loopDelay.reset();
}

setInterval(() => (peakRss = Math.max(peakRss, process.memoryUsage.rss())), 100).unref();

serveCalls({
  listen: (options: ServerOptions) => {
    server = new HubServer(options);
    return server.listen();
  },
  publish: (order: PublishOrder) => {
    publisher = new Publisher(() => theServer().hub, order);
    publisher.start();
  },
  stopPublishing: () => publisher?.stop(),
  publishStamped: (order: StampOrder) => publishStamped(theServer().hub, order),
  restart: (drainMs: number) => theServer().restart(drainMs),
  cutSome: (count: number) => theServer().cutSome(count),
  cutAll: () => theServer().cutAll(),
  collectGarbage: () => globalThis.gc?.(),
  // Only this soak loads what calls the C library.
  startRing: async (seed: number) => {
    const { FaultyRings } = await import("./faulty-rings.ts");
    rings = new FaultyRings(seed);
  },
  ring: () => rings?.state(),
  watch,
  state,
  probe,
});
