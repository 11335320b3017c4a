import { HubProcess, type Engine, type HubProcessState, type ListenOrder } from "../../support/hub-process.ts";
import { startNats } from "../../support/nats.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { tcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import type { Wire } from "../../../src/wire/item.ts";
import { BrokerLedger, type GapRule } from "./broker-ledger.ts";
import { TopicTruth } from "./broker-truth.ts";
import { Client } from "./client.ts";
import { sleep, until } from "./clock.ts";
import type { Random } from "./random.ts";
import { Tally } from "./tally.ts";

export const engines: readonly Engine[] = ["redis", "nats", "postgres"];
/** Starts the server of each engine. */
const starts: Readonly<Record<Engine, () => Promise<EngineServer>>> = {
  redis: () => startRedis({ persistent: true }),
  nats: () => startNats(),
  postgres: () => startPostgres(),
};
const wires: readonly Wire[] = ["ndjson", "sse", "comet", "poll"];

/** A server that keeps what it has acknowledged, whatever happens to it. */
interface EngineServer {
  readonly port: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions extends Partial<
  Pick<ListenOrder, "timeoutMs" | "heartbeatMs" | "maxEntries" | "maxBytes" | "maxConnectionAgeMs">
> {
  readonly engine: Engine;
  readonly random: Random;
  readonly topics: readonly string[];
  /** How many hubs there are: 3 by default. */
  readonly hubs?: number;
}

/** How long all may take to have all, once nothing fails any more. */
const SETTLE_MS = 30_000;

/** An engine, hubs in processes of their own, a network to harm between each of them and the engine, and clients. */
export class BrokerWorld {
  readonly options: WorldOptions;
  readonly random: Random;
  readonly engine: EngineServer;
  readonly proxies: readonly TcpProxy[];
  readonly hubs: readonly HubProcess[];
  readonly truths: ReadonlyMap<string, TopicTruth>;
  readonly clients: Client<BrokerLedger>[] = [];
  readonly tally: Tally = new Tally();

  private constructor(
    options: WorldOptions,
    engine: EngineServer,
    proxies: readonly TcpProxy[],
    hubs: readonly HubProcess[],
  ) {
    this.options = options;
    this.random = options.random;
    this.engine = engine;
    this.proxies = proxies;
    this.hubs = hubs;
    this.truths = new Map(options.topics.map((topic) => [topic, new TopicTruth(topic)]));
  }

  /** Whoever opens it closes it. */
  static async open(options: WorldOptions): Promise<BrokerWorld> {
    const engine = await starts[options.engine]();
    const proxies: TcpProxy[] = [];
    const hubs: HubProcess[] = [];
    try {
      const { hubs: count = 3 } = options;
      for (let i = 0; i < count; i += 1) proxies.push(await tcpProxy(engine.port));
      hubs.push(...proxies.map(({ port }) => new HubProcess(orderOf(options, port))));
      await Promise.all(hubs.map((hub) => hub.start()));
    } catch (error) {
      await closeAll(engine, proxies, hubs);
      throw error;
    }
    return new BrokerWorld(options, engine, proxies, hubs);
  }

  /**
   * Adds clients, one on each wire after the other, each of which follows some of the topics.
   *
   * @param at The hub that they keep to; any by default, and another whenever they come back.
   */
  follow(count: number, topicsOf: (random: Random) => readonly string[], at?: HubProcess): Client<BrokerLedger>[] {
    const added = Array.from({ length: count }, (_, i) => {
      const random = this.random.fork();
      const topics = topicsOf(random);
      return new Client<BrokerLedger>({
        wire: wires[i % wires.length] as Wire,
        topics,
        port: () => (at ?? random.pick(this.hubs)).port,
        ledger: new BrokerLedger(topics.map((topic) => this.truths.get(topic) as TopicTruth)),
        random,
        tally: this.tally,
        awayMs: () => random.whole(10, 300),
      });
    });
    for (const client of added) client.start();
    this.clients.push(...added);
    return added;
  }

  /** Waits until all clients have begun. */
  async begun(): Promise<void> {
    const have = (): boolean => this.clients.every(({ ledger }) => placed(ledger)) || this.tally.violations.length > 0;
    if (!(await until(have, SETTLE_MS))) this.tally.violations.push("Not all clients could begin.");
  }

  /** Waits until each client is at the end of each of its topics, and checks what it has had on the way. */
  async settle(rule: GapRule): Promise<void> {
    const heads = new Map(Array.from(this.truths, ([topic, truth]) => [topic, truth.sequence().offsets.at(-1) ?? 0]));
    const isThere = ({ ledger }: Client<BrokerLedger>): boolean =>
      Array.from(ledger.topics).every(([topic, { place }]) => (place?.offset ?? -1) >= (heads.get(topic) as number));
    const { violations } = this.tally;
    await until(() => violations.length > 0 || this.clients.every(isThere), SETTLE_MS);
    // What comes too often comes now.
    await sleep(300);
    for (const client of this.clients.filter((one) => !isThere(one)).slice(0, 3)) {
      const state = client.connected ? "connected" : "not connected";
      violations.push(`A client (${state}) never came to the end:\n    ${client.ledger.history}`);
    }
    const sequences = new Map(Array.from(this.truths, ([topic, truth]) => [topic, truth.sequence()]));
    for (const { ledger } of this.clients) {
      for (const [topic, one] of ledger.topics) {
        try {
          const sequence = sequences.get(topic);
          if (sequence !== undefined) one.check(sequence, rule);
        } catch (error) {
          violations.push(`${(error as Error).message}\n    ${ledger.history}`);
        }
      }
    }
    if (rule.isDense) {
      for (const [topic, { offsets }] of sequences) {
        const isDense = offsets.every((offset, i) => offset === i + 1);
        if (!isDense) violations.push(`${topic} has ${offsets.length} messages, the last at ${offsets.at(-1)}.`);
      }
    }
  }

  /** The states of all hubs, whose errors are violations. */
  async states(): Promise<HubProcessState[]> {
    const states = await Promise.all(this.hubs.map((hub) => hub.state()));
    for (const { errors } of states) this.tally.violations.push(...errors.map((error) => `A hub: ${error}`));
    return states;
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.stop();
    await closeAll(this.engine, this.proxies, this.hubs);
  }
}

function placed({ topics }: BrokerLedger): boolean {
  return Array.from(topics.values()).every(({ place }) => place !== undefined);
}

function orderOf(options: WorldOptions, brokerPort: number): ListenOrder {
  return {
    engine: options.engine,
    brokerPort,
    port: 0,
    maxEntries: options.maxEntries ?? 20_000,
    maxBytes: options.maxBytes ?? 64 * 1_048_576,
    timeoutMs: options.timeoutMs ?? 2000,
    heartbeatMs: options.heartbeatMs ?? 500,
    maxConnectionAgeMs: options.maxConnectionAgeMs ?? 600_000,
  };
}

async function closeAll(
  engine: EngineServer,
  proxies: readonly TcpProxy[],
  hubs: readonly HubProcess[],
): Promise<void> {
  await Promise.all(hubs.map((hub) => hub.kill()));
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await engine.close();
}
