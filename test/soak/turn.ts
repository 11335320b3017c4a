/**
 * Ten thousand subscribers, 5,000 in the short form, do not block the event loop: what is published goes out in slices of `flushSliceMs`,
 * each of which makes at most 16 writes when its time is over: one message at a time, in an awaited loop, and in bursts that are not awaited. One timer sends all heartbeats. `node test/soak/turn.ts`; `CLIENTS` for
 * another number.
 */
import { sleep } from "./support/clock.ts";
import type { CrowdState } from "./support/crowd-process.ts";
import { amount } from "./support/form.ts";
import { Checks, crowdProcess, mebibytes, ms, probedServerProcess } from "./support/processes.ts";
import type { ProbeState, ServerState } from "./support/server-process.ts";
import type { StampOrder } from "./support/stamper.ts";

const CLIENTS = amount("CLIENTS", 10_000, 5000);
const MESSAGES = amount("MESSAGES", 100, 40);
const AWAITED = amount("AWAITED", 5000, 1000);
const BURST = amount("BURST", 2000, 500);
/** The messages that a log holds by default, and more than that. */
const LOG_ENTRIES = 4096;
const FLOOD = 5000;
const HEARTBEATS = amount("HEARTBEATS", 5, 3);
const EVERY_MS = 200;
/** The hub's defaults. */
const SLICE_MS = 10;
const WRITES_AFTER = 16;
const HEARTBEAT_MS = 2000;
/** What a machine that does other things as well may add to a heartbeat, or to a slice that is one of a hundred. */
const PATIENCE_MS = 1500;
const SLICE_PATIENCE_MS = 50;
/** The hub looks at its clock a little later than the probe does. */
const PATIENCE_WRITES = 32;

const checks = new Checks();
const server = probedServerProcess();
const clients = crowdProcess();
const port = await server.call<number>("listen", { seed: 1, hub: { heartbeatMs: HEARTBEAT_MS } });
await clients.call("open", { port, topic: "soak", wire: "ndjson", count: 10, reading: true });
const few = await server.call<ProbeState>("probe");
const before = await server.call<ServerState>("state");
const opened = await clients.call<boolean>("open", {
  port,
  topic: "soak",
  wire: "ndjson",
  count: CLIENTS,
  reading: true,
  backWithinMs: 1000,
});
checks.that(opened, "not all clients were let in");

await sleep(1000);
await clients.call("resetSilence");
await server.call("watch", SLICE_MS);
const idleStart = await server.call<ServerState>("state");
const idleMs = HEARTBEATS * HEARTBEAT_MS;
await sleep(idleMs);
const many = await server.call<ProbeState>("probe");
const idle = await server.call<ServerState>("state");
const silence = await clients.call<CrowdState>("state", 0);
console.log(
  `${CLIENTS} idle connections: ${((idle.rss - before.rss) / CLIENTS / 1024).toFixed(1)} KiB each; heartbeats every ${HEARTBEAT_MS} ms take ` +
    `${((idle.cpuMs - idleStart.cpuMs) / (idleMs / 1000)).toFixed(1)} ms of CPU a second; the longest silence was ` +
    `${Math.round(silence.longestSilenceMs)} ms\n  timers with 10 connections: ${few.timers.intervals} intervals, ` +
    `${few.timers.timeouts} timeouts; with ${CLIENTS}: ${many.timers.intervals}, ${many.timers.timeouts}; ` +
    `resources: ${JSON.stringify(few.resources)}, then ${JSON.stringify(many.resources)}`,
);
checks.that(many.timers.intervals <= few.timers.intervals, `there are ${many.timers.intervals} intervals`);
checks.that(many.timers.timeouts <= few.timers.timeouts + 1, `there are ${many.timers.timeouts} timeouts`);
checks.that(
  (many.resources["Timeout"] ?? 0) <= (few.resources["Timeout"] ?? 0) + 1,
  `${many.resources["Timeout"] ?? 0} timers keep the process alive`,
);
checks.that(silence.longestSilenceMs < HEARTBEAT_MS + PATIENCE_MS, "a heartbeat was late");

/** Publishes messages, and checks that they reach everybody and that the flush gives way to other work. */
async function publish(what: string, order: Omit<StampOrder, "topic" | "bytes">, isComplete = true): Promise<void> {
  const { messages: before } = await clients.call<CrowdState>("state", 0);
  const start = await server.call<ServerState>("state");
  await server.call("watch", SLICE_MS);
  const tookMs = await server.call<number>("publishStamped", { topic: "soak", bytes: 200, ...order });
  const due = (isComplete ? order.messages : LOG_ENTRIES) * CLIENTS;
  const have = async (): Promise<boolean> => (await clients.call<CrowdState>("state", 0)).messages - before >= due;
  const limit = performance.now() + 120_000;
  while (!(await have()) && performance.now() < limit) await sleep(100);
  const { tasks, loop, overtime } = await server.call<ProbeState>("probe");
  const end = await server.call<ServerState>("state");
  const got = await clients.call<CrowdState>("state", 0);
  const deliveries = got.messages - before;
  console.log(
    `${order.messages} messages, ${what}, to ${CLIENTS} clients: ${deliveries} deliveries, published in ${(tookMs / 1000).toFixed(1)} s, ` +
      `${(((end.cpuMs - start.cpuMs) * 1000) / deliveries).toFixed(2)} us of CPU each; memory at most ${mebibytes(end.peakRss)}\n` +
      `  slices: ${tasks.count}, p50 ${ms(tasks.p50Us)}, p99 ${ms(tasks.p99Us)}, longest ${ms(tasks.maxUs)}; ` +
      `${overtime.tasks} took over ${SLICE_MS} ms, with p50 ${overtime.p50}, p90 ${overtime.p90}, at most ${overtime.most} writes after that\n` +
      `  event loop: delay p50 ${ms(loop.p50Us)}, p99 ${ms(loop.p99Us)}, max ${ms(loop.maxUs)}\n` +
      `  delivery: delay p50 ${ms(got.p50Us)}, p99 ${ms(got.p99Us)}, max ${ms(got.maxUs)}`,
  );
  checks.that(deliveries === due, `${deliveries} of ${due} came, ${what}`);
  if (isComplete) checks.that(got.violations.length === 0, got.violations.join(" "));
  // What makes a slice longer than that is the garbage collector, or another process, which on a busy machine meets a few of a hundred
  // slices; it may not be the hub.
  checks.that(
    overtime.p90 <= WRITES_AFTER + PATIENCE_WRITES,
    `${overtime.p90} writes were made after a slice was over, ${what}`,
  );
  checks.that(overtime.tasks > 0, `no flush was long enough to be divided, ${what}`);
  checks.that(overtime.most > 0, `no write was seen after a slice: the check of them shows nothing, ${what}`);
  // What Node does of the writes after a slice, in the same turn, blocks the event loop as well. Those who come back
  // after a gap are requests, and no flush.
  checks.that(
    !isComplete || loop.p99Us < (SLICE_MS + SLICE_PATIENCE_MS) * 1000,
    `the event loop is blocked for longer than a slice, ${what}`,
  );
}

await publish(`one every ${EVERY_MS} ms`, { messages: MESSAGES, burst: 1, everyMs: EVERY_MS });
await publish("in an awaited loop", { messages: AWAITED, burst: 1, everyMs: 0 });
await publish("at once", { messages: BURST, burst: BURST, everyMs: 0 });
// The log passes everybody, who is told of a gap.
await publish("at once, and more than the log holds", { messages: FLOOD, burst: FLOOD, everyMs: 0 }, false);
const { stats } = await server.call<ServerState>("state");
checks.that(stats.skipped >= CLIENTS, `gaps told of ${stats.skipped} messages only`);
for (const child of [server, clients]) child.stop();
checks.end();
