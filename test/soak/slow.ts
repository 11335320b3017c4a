/**
 * A thousand clients that never read, 500 in the short form, cost as many readers neither memory nor time. Each run has processes of its
 * own; runs with and without the stalled clients take turns. `node test/soak/slow.ts`; `CLIENTS`, `PAIRS`, `MESSAGES`, `WARM_UP`, `TIMED`,
 * `BURST` and `EVERY_MS` change it.
 */
import { median } from "../support/statistics.ts";
import { sleep } from "./support/clock.ts";
import type { CrowdState } from "./support/crowd-process.ts";
import { amount, shortMs } from "./support/form.ts";
import { Checks, crowdProcess, mebibytes, ms, serverProcess } from "./support/processes.ts";
import type { ServerState } from "./support/server-process.ts";

const READERS = amount("CLIENTS", 1000, 500);
const STALLED = READERS;
const MESSAGE_BYTES = 200;
/** The run that measures memory: how many messages, as fast as the readers keep up, a part of the log after the other. */
const MESSAGES = amount("MESSAGES", 100_000, 30_000);
const PART = 2000;
/**
 * Left to itself, V8 lets garbage lie until the heap is some hundred MiB, whoever reads or does not; with these bounds, what is
 * resident says what is held.
 */
const HEAP_BOUNDS = ["--max-old-space-size=96", "--max-semi-space-size=4"];
/**
 * The runs whose delays are compared. What comes first fills the kernel's buffers of the stalled connections, which until then take
 * part as if they read; what is timed comes after.
 */
const PAIRS = amount("PAIRS", 3, 3);
const WARM_UP = amount("WARM_UP", 16_000, 16_000);
const TIMED = amount("TIMED", 8000, 5000);
/** In the short form no pair but the first begins later than this, since the process began. */
const LAST_PAIR_MS = shortMs(0.6);
/** When they are timed, so many messages come so often. */
const EVERY_MS = amount("EVERY_MS", 50, 50);
const BURST = amount("BURST", 50, 50);
const MOST_GROWTH = 64 * 1_048_576;
const MOST_RATIO = 1.5;

interface Run {
  readonly p99Us: number;
  readonly grown: number;
}

const checks = new Checks();

async function run(warmUp: number, timed: number, stalled: number, flags: readonly string[] = []): Promise<Run> {
  const start = performance.now();
  const server = serverProcess(flags);
  const [reading, stalling] = [crowdProcess(), crowdProcess()];
  const port = await server.call<number>("listen", { seed: 1, hub: { stallMs: 1_000_000 } });
  const crowd = { port, topic: "soak", wire: "ndjson", dataBytes: MESSAGE_BYTES };
  await reading.call("open", { ...crowd, count: READERS, reading: true });
  // Where nobody stalls there are as many connections, to a topic in which nothing happens.
  await stalling.call("open", { ...crowd, count: STALLED, reading: false, topic: stalled > 0 ? "soak" : "other" });
  await sleep(1000);
  await server.call("collectGarbage");
  const idle = await server.call<ServerState>("state");
  const order = { topic: "soak", bytes: MESSAGE_BYTES, burst: BURST };
  for (let offset = PART; offset <= warmUp; offset += PART) {
    await server.call("publishStamped", { ...order, messages: PART, everyMs: 10 });
    await reading.call("reach", { offset, timeoutMs: 60_000 });
  }
  if (timed > 0) {
    await reading.call("resetDelays");
    await server.call("publishStamped", { ...order, messages: timed, everyMs: EVERY_MS });
  }
  const messages = warmUp + timed;
  const reached = await reading.call<boolean>("reach", { offset: messages, timeoutMs: 60_000 });
  const state = await server.call<ServerState>("state");
  const got = await reading.call<CrowdState>("state", 0);
  for (const child of [server, reading, stalling]) child.stop();
  checks.that(reached && got.messages === messages * READERS, `${got.messages} of ${messages * READERS} were read`);
  checks.that(got.violations.length === 0, got.violations.join(" "));
  checks.that(state.errors.length === 0, state.errors.join(" "));
  checks.that(state.stats.connections === READERS + STALLED, `${state.stats.connections} connections are left`);
  checks.that(stalled === 0 || state.stats.lagging === stalled, `${state.stats.lagging} connections lag`);
  const grown = state.peakRss - idle.rss;
  console.log(
    `${String(stalled).padStart(4)} stalled: ${got.messages} deliveries in ${((performance.now() - start) / 1000).toFixed(1)} s, ` +
      `${((state.cpuMs - idle.cpuMs) / 1000).toFixed(1)} s of CPU; delay p50 ${ms(got.p50Us)}, p99 ${ms(got.p99Us)}, ` +
      `max ${ms(got.maxUs)}; memory ${mebibytes(idle.rss)} idle, at most ${mebibytes(grown)} more`,
  );
  return { p99Us: got.p99Us, grown };
}

const perSecond = (BURST * 1000) / EVERY_MS;
console.log(
  `${READERS} readers, ${MESSAGE_BYTES} bytes a message; memory, as fast as they keep up, with ${HEAP_BOUNDS.join(" ")}:`,
);
const { grown } = await run(MESSAGES, 0, STALLED, HEAP_BOUNDS);
checks.that(grown < MOST_GROWTH, `memory grew by ${mebibytes(grown)}`);
console.log(`Delays, at ${perSecond} messages a second in ${1000 / EVERY_MS} bursts:`);
const ratios: number[] = [];
for (let pair = 0; pair < PAIRS && (pair === 0 || performance.now() < LAST_PAIR_MS); pair += 1) {
  const p99 = new Map<number, number>();
  for (const stalled of pair % 2 === 0 ? [0, STALLED] : [STALLED, 0]) {
    p99.set(stalled, (await run(WARM_UP, TIMED, stalled)).p99Us);
  }
  ratios.push((p99.get(STALLED) as number) / (p99.get(0) as number));
}
const ratio = median(ratios);
console.log(
  `p99 with the stalled ones / without: ${ratios.map((one) => one.toFixed(2)).join(", ")}; median ${ratio.toFixed(2)}`,
);
checks.that(ratio <= MOST_RATIO, `the readers' p99 delay is ${ratio.toFixed(2)} times that without the stalled ones`);
checks.end();
