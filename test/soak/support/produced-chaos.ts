import type { Wire } from "../../../src/wire/item.ts";
import type { Engine, HubProcess } from "../../support/hub-process.ts";
import { BrokerWorld } from "./broker-world.ts";
import { sleep, until } from "./clock.ts";
import { Deck } from "./deck.ts";
import { ProducedReader } from "./produced-reader.ts";
import type { Random } from "./random.ts";

export interface ProducedOptions {
  readonly engine: Engine;
  readonly random: Random;
  /** The number of streams; more, where some harm has not been done by then. */
  readonly streams: number;
  /** The number of streams that run at a time. */
  readonly concurrency: number;
  readonly leaseMs: number;
}

export interface ProducedReport {
  readonly violations: readonly string[];
  readonly untried: readonly string[];
  readonly text: string;
}

const wires: readonly Wire[] = ["ndjson", "sse", "comet", "poll"];
const READERS = 2;
const MAX_TOKENS = 60;
const MAX_PAUSE_MS = 400;
/** The time that a stream may take in which nothing fails: much more than it does. */
const STREAM_MS = 60_000;
/** The time after which a process is asked again that may have died with the order. */
const AGAIN_MS = 2500;
/** What the issue of a lost producer may take beyond its lease. */
const BEYOND_LEASE_MS = 2000;
/**
 * A machine that is busy with other work is slow in each of the steps from a lapsed lease to a reader: processes, connections, the
 * server. This many of its longest pauses are added to what a reader may wait.
 */
const PAUSES = 10;
/** So many times the streams are produced at most, where some harm has not been done. */
const MOST_TIMES = 5;

const harms = ["hub killed", "hub frozen briefly", "hub frozen past the lease", "link cut"] as const;
type Harm = (typeof harms)[number];
const outcomes = ["complete", "stopped", "ERR_PRODUCER_LOST"] as const;

/**
 * Streams that are produced once by three processes, which are killed and frozen, and read by clients that are cut: every stream ends
 * for every reader, with the tokens of one producer, and nothing of a producer that has lost its lease is ever seen.
 */
export async function producedChaos(options: ProducedOptions): Promise<ProducedReport> {
  const { engine, random, streams, concurrency, leaseMs } = options;
  const start = performance.now();
  const world = await BrokerWorld.open({ engine, random, topics: [], maxConnectionAgeMs: 10_000 });
  const { tally } = world;
  const readers = new Set<ProducedReader>();
  const ended: { readonly topic: string; readonly count: number; readonly outcome: string }[] = [];
  let worstMs = 0;
  let pauseMs = 0;
  const state = { isOver: false };
  const looking = (async () => {
    while (!state.isOver) {
      const due = performance.now() + 50;
      await sleep(50);
      pauseMs = Math.max(pauseMs, performance.now() - due);
      for (const reader of readers) reader.look(performance.now());
    }
  })();
  const deck = new Deck(harms, random.fork());
  const harming = (async () => {
    for (;;) {
      await sleep(random.whole(300, 1500));
      if (state.isOver) return;
      await harm(world, deck.next(), leaseMs);
    }
  })();
  const cutting = (async () => {
    while (!state.isOver) {
      await sleep(random.whole(5, 60));
      const all = [...readers];
      if (all.length > 0) random.pick(all).cut();
    }
  })();
  const stream = async (i: number): Promise<void> => {
    const topic = `stream ${i}`;
    const own = random.fork();
    const tokens = own.whole(1, MAX_TOKENS);
    const order = { topic, tokens, pauseMs: own.whole(1, MAX_PAUSE_MS), leaseMs };
    const both = Array.from({ length: READERS }, () => {
      return new ProducedReader({ topic, wire: own.pick(wires), hubs: world.hubs, random: own.fork(), tally });
    });
    const isBegun = (): boolean => both.some(({ count, outcome }) => count > 0 || outcome !== undefined);
    const isEnded = (): boolean => both.every(({ outcome }) => outcome !== undefined);
    for (const reader of both) {
      readers.add(reader);
      setTimeout(() => reader.start(), own.whole(0, 1500));
    }
    const end = performance.now() + STREAM_MS;
    while (!isBegun() && tally.violations.length === 0 && performance.now() < end) {
      // Sometimes several processes are asked at once, and all but one join.
      const asked = own.chance(0.3) ? world.hubs : [own.pick(world.hubs)];
      for (const hub of asked) void giveOrder(hub, () => hub.produce(order));
      await until(isBegun, AGAIN_MS);
    }
    if (own.chance(0.15)) {
      await sleep(own.whole(0, 500));
      const hub = own.pick(world.hubs);
      void giveOrder(hub, () => hub.stop(topic));
    }
    await until(() => isEnded() || tally.violations.length > 0, Math.max(0, end - performance.now()));
    const [one, other] = both as [ProducedReader, ProducedReader];
    const which = `${topic} of ${tokens} tokens`;
    const seen = both.map(({ state }) => state).join("; ");
    if (!isEnded()) tally.violations.push(`${which} has not ended for all readers: ${seen}.`);
    else if (one.outcome !== other.outcome || one.count !== other.count || one.producer !== other.producer) {
      tally.violations.push(`${which} is not the same for two readers: ${seen}.`);
    }
    if (one.outcome === "complete" && one.count !== tokens)
      tally.violations.push(`${which} is complete with ${one.count}.`);
    for (const reader of both) {
      worstMs = Math.max(worstMs, reader.longestWaitMs);
      if (reader.longestWaitMs > leaseMs + BEYOND_LEASE_MS + order.pauseMs + PAUSES * pauseMs) {
        tally.violations.push(`A reader of ${which} waited for ${Math.round(reader.longestWaitMs)} ms.`);
      }
      reader.stop();
      readers.delete(reader);
    }
    ended.push({ topic, count: one.count, outcome: one.outcome ?? "none" });
  };
  try {
    const untried = (): string[] => [
      ...harms.filter((kind) => tally.of(`harm ${kind}`) === 0),
      ...outcomes.filter((o) => tally.of(`outcomes ${o}`) === 0),
    ];
    let next = 0;
    // Where processes start slowly, little harm is done in the time of so many streams.
    const isDue = (): boolean => next < streams || (next < MOST_TIMES * streams && untried().length > 0);
    const work = async (): Promise<void> => {
      while (isDue() && tally.violations.length === 0) await stream(next++);
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    state.isOver = true;
    await Promise.all([looking, harming, cutting]);
    await rereadAll(world, ended);
    await world.states();
    return {
      violations: tally.violations,
      untried: untried(),
      text:
        `${engine}: ${ended.length} streams, ${tally.of("tokens all")} tokens read in ` +
        `${((performance.now() - start) / 1000).toFixed(1)} s; outcomes, counted by readers: ${tally.line("outcomes")}\n` +
        `  harm: ${tally.line("harm")}; requests ${tally.of("requests all")}; answers: ${tally.line("answers")}; missing: ${tally.line("missing")}\n` +
        `  states: ${tally.line("states")}; the longest wait of a reader that was connected: ${Math.round(worstMs)} ms, with a lease of ${leaseMs} ms; ` +
        `the longest pause of this process: ${Math.round(pauseMs)} ms\n`,
    };
  } finally {
    state.isOver = true;
    for (const reader of readers) reader.stop();
    await world.close();
  }
}

/** Gives a process an order. One that dies has not had it. */
async function giveOrder(hub: HubProcess, act: () => Promise<void>): Promise<void> {
  if (!hub.isListening) return;
  try {
    await act();
  } catch {
    // It was killed.
  }
}

/** Reads all streams once more, from their beginning, with nothing failing: they are still what they were. */
async function rereadAll(
  world: BrokerWorld,
  ended: readonly { topic: string; count: number; outcome: string }[],
): Promise<void> {
  const { tally, random, hubs } = world;
  for (let i = 0; i < ended.length; i += 100) {
    const some = ended.slice(i, i + 100).map((one) => ({
      ...one,
      reader: new ProducedReader({ topic: one.topic, wire: "ndjson", hubs, random: random.fork(), tally }),
    }));
    for (const { reader } of some) reader.start();
    await until(
      () => some.every(({ reader }) => reader.outcome !== undefined) || tally.violations.length > 0,
      STREAM_MS,
    );
    for (const { topic, count, outcome, reader } of some) {
      reader.stop();
      if (reader.count !== count || reader.outcome !== outcome) {
        tally.violations.push(`${topic} was ${count}, ${outcome}, and is ${reader.count}, ${reader.outcome}.`);
      }
    }
  }
}

async function harm({ hubs, proxies, random, tally }: BrokerWorld, kind: Harm, leaseMs: number): Promise<void> {
  const i = random.whole(0, hubs.length - 1);
  const [hub, proxy] = [hubs[i], proxies[i]];
  if (hub === undefined || proxy === undefined) return;
  tally.add(`harm ${kind}`);
  if (kind === "hub killed") {
    await hub.kill();
    await sleep(random.magnitude(20, 1000));
    await hub.start();
  } else if (kind === "link cut") {
    proxy.cut();
  } else {
    hub.freeze();
    await sleep(kind === "hub frozen briefly" ? random.whole(50, leaseMs / 2) : leaseMs + random.whole(100, leaseMs));
    hub.thaw();
  }
}
