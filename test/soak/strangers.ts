/**
 * A thousand readers follow a hub with its default options, while anonymous clients in another process attack it in eight ways at once, as fast
 * as it answers (`support/attacks.ts`). The readers get every message in order, no publish fails, topics with messages stay, newcomers are let
 * in, and memory stays under a bound. The readers' p99 delay is at most three times that of a control, in which the same traffic goes to bare
 * `node:http` and `node:http2` servers in another process. `node test/soak/strangers.ts`; `READERS`, `PAIRS`, `SECONDS`, `HOLDING_MS` and
 * `EVERY_MS` change it, and `ATTACKS=callbacks,names` runs some of the attacks. At the end other strangers ask a hub that compresses for
 * streams and backlogs (`support/packed-strangers.ts`).
 */
import { median } from "../support/statistics.ts";
import { HELD, READERS_OF_ALL } from "./support/attacks.ts";
import type { AttackOrder, AttackState } from "./support/strangers-process.ts";
import { Child } from "./support/child.ts";
import { sleep, until } from "./support/clock.ts";
import type { CrowdState } from "./support/crowd-process.ts";
import { amount } from "./support/form.ts";
import { testPackedStrangers } from "./support/packed-strangers.ts";
import { Checks, crowdProcess, mebibytes, ms } from "./support/processes.ts";
import { seedOfRun } from "./support/random.ts";
import {
  FULL_TOPICS,
  MAX_STREAMS,
  READERS_TOPIC,
  type Ports,
  type StrangersState,
} from "./support/strangers-server.ts";

const READERS = amount("READERS", 1000, 1000);
/** The number of readers that connect after the measurement, while the attacks continue. */
const NEWCOMERS = 20;
const wires = ["ndjson", "sse", "comet"] as const;
/** The number of pairs of a run with the attacks and a control, and the time for which each measures delays, in seconds. */
const PAIRS = amount("PAIRS", 2, 2);
const SECONDS = amount("SECONDS", 120, 10);
const EVERY_MS = amount("EVERY_MS", 50, 50);
const MESSAGES = Math.ceil((SECONDS * 1000) / EVERY_MS);
const ATTACKS = process.env["ATTACKS"];
const MESSAGE_BYTES = 200;
const MOST_RATIO = 3;
/** The longest time before the measurement in which the attacks open the connections that they hold, in milliseconds. */
const HOLDING_MS = amount("HOLDING_MS", 20_000, 6000);
/** The time limit for the end of all connections of the attacking process after its death, in milliseconds. */
const LEAVE_MS = 20_000;

/** The hub's defaults of `maxLogBytes` and `maxAskedTopics`. */
const MAX_LOG_BYTES = 256 * 1_048_576;
const MAX_ASKED_TOPICS = 100_000;
/** The memory of a topic that clients have only asked for, with a long name. */
const ASKED_TOPIC_BYTES = 1024;
/** The memory of a connection in Node and in the hub, and the unsent bytes of a client that does not read. */
const CONNECTION_BYTES = 16_384;
const UNSENT_BYTES = 2 * 65_536;
/** The most by which V8 lets a heap grow before it has collected garbage, where the cores are busy (its `kMaxGrowingFactor`). */
const GARBAGE = 4;

/**
 * Returns the bound of the heap and external memory. It is the sum of: the memory of the process with its readers and empty logs; `maxLogBytes`
 * for messages, fields and frames; 1 KiB for each of `maxAskedTopics`; 16 KiB for each connection of the attacks; and 128 KiB of unsent
 * bytes for each of them that does not read its backlog. Including garbage, the memory is at most four times as large.
 */
function mostBytes(withReaders: number): number {
  const { names, bodies, large, sessions } = HELD;
  const connections = names + bodies + large + sessions * MAX_STREAMS;
  const backlogs = sessions * MAX_STREAMS + Object.values(READERS_OF_ALL).reduce((sum, count) => sum + count);
  return (
    withReaders +
    MAX_LOG_BYTES +
    MAX_ASKED_TOPICS * ASKED_TOPIC_BYTES +
    connections * CONNECTION_BYTES +
    backlogs * UNSENT_BYTES
  );
}

const checks = new Checks();
const seed = seedOfRun();

function program(name: string): Child {
  // Warnings are counted, not printed.
  return new Child(new URL(`support/${name}.ts`, import.meta.url), [], ["--expose-gc", "--no-warnings"]);
}

/** Runs a control or the attacks, prints the figures and checks them. Resolves to the readers' p99 delay in microseconds. */
async function run(isControl: boolean): Promise<number> {
  const [server, readers, strangers] = [
    program("strangers-server-process"),
    crowdProcess(),
    program("strangers-process"),
  ];
  const bare = isControl ? program("bare-server-process") : undefined;
  const ports = await server.call<Ports>("listen");
  for (const wire of wires) {
    const count = Math.floor(READERS / wires.length) + (wire === "ndjson" ? READERS % wires.length : 0);
    const isOpen = await readers.call<boolean>("open", {
      port: ports.http,
      topic: READERS_TOPIC,
      wire,
      count,
      reading: true,
    });
    checks.that(isOpen, `not all readers of ${wire} were let in`);
  }
  const open = await server.call<StrangersState>("state");
  await server.call("fill");
  await sleep(1000);
  const idle = await server.call<StrangersState>("state");

  const target = bare === undefined ? ports : await bare.call<Ports>("listen");
  const order: AttackOrder = { ports: target, seed, fullTopics: FULL_TOPICS };
  await strangers.call("start", ATTACKS === undefined ? order : { ...order, names: ATTACKS.split(",") });
  const attackStart = performance.now();
  const isHolding = await strangers.call<boolean>("holding", HOLDING_MS);
  const fillSeconds = (performance.now() - attackStart) / 1000;
  await readers.call("resetDelays");
  await server.call("publish", { messages: MESSAGES, everyMs: EVERY_MS, bytes: MESSAGE_BYTES });
  const seconds = (performance.now() - attackStart) / 1000;
  const isReached = await readers.call<boolean>("reach", { offset: MESSAGES, timeoutMs: 60_000 });
  const got = await readers.call<CrowdState>("total");
  const newcomers = { port: ports.http, topic: READERS_TOPIC, wire: "sse", count: NEWCOMERS, reading: true };
  const areIn = await readers.call<boolean>("open", newcomers);
  const { violations } = await readers.call<CrowdState>("total");
  const state = await server.call<StrangersState>("state");
  const attack = await strangers.call<AttackState>("state");
  await strangers.kill();
  let left = state;
  const isLeft = await until(async () => {
    left = await server.call<StrangersState>("state");
    return left.stats.connections === READERS + NEWCOMERS;
  }, LEAVE_MS);
  for (const child of [server, readers, bare]) child?.stop();

  const bound = mostBytes(open.liveBytes);
  const name = isControl ? "control" : "strangers";
  console.log(
    `${name}: ${got.messages} deliveries to ${READERS} readers, ${state.published} published in ${seconds.toFixed(1)} s; ` +
      `delay p50 ${ms(got.p50Us)}, p99 ${ms(got.p99Us)}, max ${ms(got.maxUs)}\n` +
      `  CPU of the hub ${((state.cpuMs - idle.cpuMs) / 1000).toFixed(1)} s, of the strangers ${(attack.cpuMs / 1000).toFixed(1)} s; they held ` +
      `${isHolding ? "all" : "not all"} their connections after ${fillSeconds.toFixed(1)} s\n` +
      `  memory: ${mebibytes(open.liveBytes)} with readers, ${mebibytes(idle.liveBytes)} with full logs; bound ${mebibytes(bound)}; at most ${mebibytes(state.peakHeap)} ` +
      `in the heap and outside with garbage, ${mebibytes(state.liveBytes)} without, ${mebibytes(state.peakRss)} resident; ` +
      `${mebibytes(left.liveBytes)} after the strangers\n` +
      `  ${state.stats.connections} connections, ${state.stats.topics} topics, ${state.stats.askedTopics} of them only asked for, ${mebibytes(state.stats.logBytes)} in logs; ` +
      `${state.stats.opened} opened, ${state.stats.rejected} rejected, ${state.stats.skipped} skipped\n${attackLines(attack, seconds)}`,
  );
  checks.that(
    isReached && got.messages === MESSAGES * READERS,
    `${name}: ${got.messages} of ${MESSAGES * READERS} came`,
  );
  checks.that(violations.length === 0, `${name}: ${violations.join(" ")}`);
  checks.that(areIn, `${name}: newcomers are not let in`);
  checks.that(state.failures.length === 0, `${name}: ${state.failures.join(" ")}`);
  checks.that(state.faults.length === 0, `${name}: ${state.faults.join(" ")}`);
  checks.that(
    state.keptMessages === idle.keptMessages,
    `${name}: ${state.keptMessages} of ${idle.keptMessages} messages are kept`,
  );
  checks.that(state.liveBytes <= bound, `${name}: ${mebibytes(state.liveBytes)} are held, over ${mebibytes(bound)}`);
  checks.that(state.peakHeap <= bound * GARBAGE, `${name}: ${mebibytes(state.peakHeap)} were held with garbage`);
  checks.that(
    isLeft,
    `${name}: ${left.stats.connections - READERS - NEWCOMERS} connections are left when the strangers have gone: ${left.others.join("; ")}`,
  );
  return got.p99Us;
}

/** Returns a line for each attack: its requests a second and its answers. */
function attackLines({ counts }: AttackState, seconds: number): string {
  const names = [...new Set(Object.keys(counts).map((name) => name.slice(0, name.lastIndexOf(" "))))].sort();
  const lines = names.map((name) => {
    const answers = Object.entries(counts).filter(
      ([key]) => key.startsWith(`${name} `) && !/ (?:requests|read)$/.test(key),
    );
    const rate = (counts[`${name} requests`] ?? counts[`${name} read`] ?? 0) / seconds;
    return `  ${name}: ${Math.round(rate)} a second; ${answers.map(([key, count]) => `${key.slice(name.length + 1)} ${count}`).join(", ")}`;
  });
  return lines.join("\n");
}

const ratios: number[] = [];
for (let pair = 0; pair < PAIRS; pair += 1) {
  const p99 = new Map<boolean, number>();
  for (const isControl of pair % 2 === 0 ? [true, false] : [false, true]) p99.set(isControl, await run(isControl));
  ratios.push((p99.get(false) as number) / (p99.get(true) as number));
}
const ratio = median(ratios);
console.log(
  `p99 with strangers / control: ${ratios.map((one) => one.toFixed(2)).join(", ")}; median ${ratio.toFixed(2)}`,
);
checks.that(ratio <= MOST_RATIO, `the readers' p99 delay is ${ratio.toFixed(2)} times that of the control`);
await testPackedStrangers(checks, seed);
checks.end();
