import type { Engine } from "../../support/hub-process.ts";
import { TopicPublisher } from "./broker-publisher.ts";
import { BrokerWorld } from "./broker-world.ts";
import { sleep } from "./clock.ts";
import { Deck } from "./deck.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

export interface ChaosOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly clients: number;
  readonly topics: number;
  /** Of all topics together. */
  readonly messages: number;
  readonly perSecond: number;
  /** How many messages are given to a hub at once, at the most; 8 by default. */
  readonly maxWindow?: number;
  /**
   * After how many milliseconds no more messages are published, even if some are left; no limit by default. Publishing goes on until each kind
   * of harm was done and, where messages are to be gone, a client has missed one.
   */
  readonly publishingMs?: number;
  /** How many messages a topic keeps, where some are to be gone; otherwise it keeps all. */
  readonly maxEntries?: number;
}

export interface ChaosReport {
  readonly violations: readonly string[];
  readonly deliveries: number;
  readonly gaps: number;
  readonly missed: number;
  /** What was never done to the world of all that is to be. */
  readonly untried: readonly string[];
  readonly text: string;
}

/**
 * Three hubs, an engine, and clients that go from one hub to another, while everything fails that can: nothing that was acknowledged
 * may be missing at the end, come twice or in another order, and nothing may come of which it was said that it was not published.
 */
export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const { engine, random, clients, messages, perSecond, maxEntries, maxWindow = 8, publishingMs = Infinity } = options;
  const start = performance.now();
  const topics = Array.from({ length: options.topics }, (_, i) => (i === 0 ? "ü=,;. &" : `topic-${i}`));
  const bounds = maxEntries === undefined ? {} : { maxEntries };
  const world = await BrokerWorld.open({ engine, random, topics, ...bounds, maxConnectionAgeMs: 10_000 });
  try {
    world.follow(clients, (each) => someOf(topics, each));
    await world.begun();
    const deadline = performance.now() + publishingMs;
    const isTried = (): boolean => {
      const isMissed = maxEntries === undefined || world.clients.some(({ ledger }) => ledger.gaps > 0);
      return isMissed && untriedIn(world.tally).length === 0;
    };
    const order = {
      messages: Math.ceil(messages / topics.length),
      perSecond: perSecond / topics.length,
      maxWindow,
      isEnough: () => performance.now() > deadline && isTried(),
    };
    const publishers = [...world.truths.values()].map((truth) => new TopicPublisher(world, truth, order).run());
    const harm = new Harm(world);
    const harming = harm.run();
    await Promise.all(publishers);
    harm.stop();
    await harming;
    const settling = performance.now();
    await world.settle({ maxEntries, isDense: engine !== "nats" });
    await world.states();
    return reportOf(world, options, performance.now() - start, performance.now() - settling);
  } finally {
    await world.close();
  }
}

/** Mostly one topic, at most three. */
function someOf(topics: readonly string[], random: Random): readonly string[] {
  const count = random.chance(0.85) ? 1 : random.whole(2, 3);
  return [...new Set(Array.from({ length: count }, () => random.pick(topics)))];
}

const engineHarm = ["engine killed", "engine stopped"] as const;
const hubHarm = ["hub killed", "hub frozen", "link cut", "link stalled", "link refused"] as const;

function untriedIn(tally: Tally): string[] {
  return [...engineHarm, ...hubHarm].filter((kind) => tally.of(`harm ${kind}`) === 0);
}

/** Does harm to a world at random, and mends it: each hub and its connection one thing at a time, and the engine another. */
class Harm {
  readonly #world: BrokerWorld;
  readonly #random: Random;
  readonly #engineHarm: Deck<(typeof engineHarm)[number]>;
  readonly #hubHarm: Deck<(typeof hubHarm)[number]>;
  readonly #busy = new Map<number | "engine", Promise<void>>();
  #isStopped = false;

  constructor(world: BrokerWorld) {
    this.#world = world;
    this.#random = world.random.fork();
    this.#engineHarm = new Deck(engineHarm, this.#random);
    this.#hubHarm = new Deck(hubHarm, this.#random);
  }

  /** Resolves, once it is stopped and has done everything that it can do, when everything is mended. */
  async run(): Promise<void> {
    const { tally } = this.#world;
    let engineAt = performance.now() + 1500;
    while (!(this.#isStopped && untriedIn(tally).length === 0) && tally.violations.length === 0) {
      await sleep(this.#random.whole(50, 400));
      this.#harmClients();
      if (performance.now() > engineAt && !this.#busy.has("engine")) {
        // Each kind once while there is much to be lost; then more seldom.
        const isNew = untriedIn(tally).some((kind) => kind.startsWith("engine"));
        engineAt = performance.now() + (isNew ? this.#random.whole(2500, 4000) : this.#random.whole(4000, 7500));
        this.#do("engine", () => this.#harmEngine());
      }
      const hub = this.#random.whole(0, this.#world.hubs.length - 1);
      if (this.#random.chance(0.3) && !this.#busy.has(hub)) this.#do(hub, () => this.#harmHub(hub));
    }
    await Promise.all(this.#busy.values());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #do(what: number | "engine", act: () => Promise<void>): void {
    const done = act()
      .catch((error: unknown) => {
        this.#world.tally.violations.push(`Harm: ${(error as Error).stack ?? String(error)}`);
      })
      .finally(() => this.#busy.delete(what));
    this.#busy.set(what, done);
  }

  async #harmEngine(): Promise<void> {
    const { engine, tally } = this.#world;
    const kind = this.#engineHarm.next();
    tally.add(`harm ${kind}`);
    await (kind === "engine killed" ? engine.kill() : engine.stop());
    await sleep(this.#random.magnitude(50, 2500));
    await engine.start();
  }

  async #harmHub(i: number): Promise<void> {
    const random = this.#random;
    const { tally, hubs, proxies } = this.#world;
    const [hub, proxy] = [hubs[i], proxies[i]];
    if (hub === undefined || proxy === undefined) return;
    const kind = this.#hubHarm.next();
    tally.add(`harm ${kind}`);
    if (kind === "hub killed") {
      await hub.kill();
      await sleep(random.magnitude(20, 1000));
      await hub.start();
      // So that it does something in between.
      await sleep(random.whole(200, 1000));
    } else if (kind === "hub frozen") {
      hub.freeze();
      await sleep(random.magnitude(50, 2000));
      hub.thaw();
    } else if (kind === "link cut") {
      proxy.cut();
    } else if (kind === "link stalled") {
      proxy.stall();
      await sleep(random.magnitude(50, 4000));
      // Of what is stalled for long, mostly nothing is left.
      if (random.chance(0.5)) proxy.cut();
      proxy.resume();
    } else {
      proxy.refuse();
      await sleep(random.magnitude(50, 2000));
      proxy.accept();
    }
  }

  #harmClients(): void {
    const random = this.#random;
    const { clients, tally } = this.#world;
    for (let i = random.whole(0, 4); i > 0; i -= 1) {
      if (random.pick(clients).cut(random.chance(0.5) ? "reset" : "close")) tally.add("harm client cut");
    }
    if (random.chance(0.5)) random.pick(clients).stall(random.magnitude(10, 2000));
  }
}

function reportOf(world: BrokerWorld, options: ChaosOptions, ms: number, settlingMs: number): ChaosReport {
  const { tally, clients, truths } = world;
  const sum = (of: (ledger: (typeof clients)[number]["ledger"]) => number): number =>
    clients.reduce((total, { ledger }) => total + of(ledger), 0);
  const [deliveries, gaps, missed] = [sum(({ had }) => had), sum((one) => one.gaps), sum((one) => one.missed)];
  const published = Array.from(truths.values()).reduce((total, { size }) => total + size, 0);
  return {
    violations: tally.violations,
    deliveries,
    gaps,
    missed,
    untried: untriedIn(tally),
    text:
      `${options.engine}${options.maxEntries === undefined ? "" : `, ${options.maxEntries} kept`}: ` +
      `${published} messages, ${deliveries} deliveries to ${clients.length} clients in ${(ms / 1000).toFixed(1)} s, ` +
      `the last ${(settlingMs / 1000).toFixed(1)} s to settle\n` +
      `  publishes: ${tally.line("publishes")}\n  harm: ${tally.line("harm")}\n` +
      `  requests: ${tally.line("requests")}; answers: ${tally.line("answers")}\n` +
      `  states: ${tally.line("states")}; ends: ${tally.line("ends")}; gaps: ${gaps} of ${missed} messages\n`,
  };
}
