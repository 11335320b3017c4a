import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { postgresBroker } from "../../../src/brokers/postgres/index.ts";
import { CometError } from "../../../src/index.ts";
import type { Broker, BrokerMessage, BrokerPublication, Notice, TopicBounds } from "../../../src/log/broker.ts";
import { startPostgres, type PostgresServer } from "../../support/postgres.ts";
import { tcpProxy, type TcpProxy } from "../../support/tcp-proxy.ts";
import { Deck } from "./deck.ts";
import type { Random } from "./random.ts";

export interface TransactionChaosReport {
  readonly violations: readonly string[];
  /** The kinds of harm that were not done. */
  readonly untried: readonly string[];
  readonly text: string;
}

const harms = ["server killed", "backends ended", "link cut", "link stalled", "link refused"] as const;
const bounds: TopicBounds = { maxEntries: 16_000_000, maxBytes: 2 ** 40, maxAgeMs: 2_000_000_000 };
const WRITERS = 12;
const TOPICS = 5;
const SETTLE_MS = 30_000;

/**
 * An application commits, rolls back and holds transactions in which it publishes, while two hubs publish to the same topics and
 * everything fails. The application writes a row of its own beside each message, so that its database says what was committed even where
 * the answer to COMMIT was lost. At the end each topic must have exactly these messages and the acknowledged ones of the hubs.
 */
export async function transactionChaos(options: { random: Random; ms: number }): Promise<TransactionChaosReport> {
  const server = await startPostgres();
  try {
    return await new TransactionChaos(server, options.random).run(options.ms);
  } finally {
    await server.close();
  }
}

class TransactionChaos {
  readonly #server: PostgresServer;
  readonly #random: Random;
  readonly #harms: Deck<(typeof harms)[number]>;
  readonly #topics = Array.from({ length: TOPICS }, (_, i) => `topic ${i}`);
  readonly #counts = new Map<string, number>();
  readonly #violations: string[] = [];
  /** What the hubs were told of their messages, by topic and JSON. */
  readonly #outcomes = new Map<string, number | "not published" | "unknown">();
  readonly #heard = new Map<string, number>();
  #isOver = false;

  constructor(server: PostgresServer, random: Random) {
    this.#server = server;
    this.#random = random;
    this.#harms = new Deck(harms, random.fork());
  }

  async run(ms: number): Promise<TransactionChaosReport> {
    const server = this.#server;
    await server.sql("CREATE TABLE ledger (topic text NOT NULL, json text NOT NULL, PRIMARY KEY (topic, json))");
    const proxies = [await tcpProxy(server.port), await tcpProxy(server.port)];
    const brokers = await Promise.all(proxies.map((proxy) => this.#open(proxy)));
    await Promise.all(this.#topics.map((topic) => (brokers[1] as Broker).listen(topic, this.#listener(topic))));
    const epochs = await this.#epochs(brokers[0] as Broker);
    const pool = server.pool({ max: WRITERS, connectionTimeoutMillis: 3000 });
    pool.on("connect", (client) => client.on("error", () => undefined));
    const working = [
      ...Array.from({ length: WRITERS }, (_, who) => this.#write(who, pool, brokers[who % 2] as Broker)),
      ...brokers.map((broker, who) => this.#publish(who, broker)),
    ];
    const harming = this.#harm(proxies);
    await sleep(ms);
    this.#isOver = true;
    await Promise.all([...working, harming]);
    for (const proxy of proxies) proxy.accept();
    await this.#check(brokers[0] as Broker, epochs);
    for (const broker of brokers) await broker.close();
    for (const proxy of proxies) await proxy.close();
    const untried = harms.filter((kind) => !this.#counts.has(kind));
    const counts = Array.from(this.#counts, ([name, count]) => `${name} ${count}`).join(", ");
    return { violations: this.#violations, untried, text: `postgres, ${(ms / 1000).toFixed(0)} s: ${counts}\n` };
  }

  async #open(proxy: TcpProxy): Promise<Broker> {
    const pool = this.#server.pool({ connectionString: this.#server.url.replace(/:\d+\//, `:${proxy.port}/`) });
    const limits = { timeoutMs: 2000, heartbeatMs: 400, connectTimeoutMs: 2000, maxRetryMs: 500 };
    const broker = await postgresBroker({ pool, ...limits });
    broker.attach({
      lost: () => this.#count("lost"),
      restored: () => undefined,
      signalled: () => undefined,
      ignored: ({ message }) => this.#violations.push(message),
    });
    return broker;
  }

  /** Notices must come in the order of their offsets. */
  #listener(topic: string): (notice: Notice) => void {
    return ({ message: { offset } }) => {
      if (offset <= (this.#heard.get(topic) ?? 0)) this.#violations.push(`${topic}: ${offset} is notified late`);
      this.#heard.set(topic, offset);
      this.#count("notices");
    };
  }

  async #epochs(broker: Broker): Promise<string[]> {
    return Promise.all(this.#topics.map(async (topic) => (await broker.read(topic, 0, bounds, Infinity)).epoch));
  }

  /** Transactions of the application, one after the other. */
  async #write(who: number, pool: pg.Pool, broker: Broker): Promise<void> {
    const random = this.#random.fork();
    for (let i = 0; !this.#isOver; i += 1) {
      const client = await pool.connect().catch(() => undefined);
      if (client === undefined) {
        await sleep(50);
        continue;
      }
      try {
        await client.query("BEGIN");
        for (let k = random.whole(1, 3); k > 0; k -= 1) {
          const isUndone = random.chance(0.15);
          if (isUndone) await client.query("SAVEPOINT s");
          await this.#put(client, broker, random.pick(this.#topics), `"${who}.${i}.${k}"`);
          if (isUndone) await client.query("ROLLBACK TO SAVEPOINT s");
        }
        if (random.chance(0.4)) await sleep(random.magnitude(1, 60));
        const isKept = random.chance(0.75);
        await client.query(isKept ? "COMMIT" : "ROLLBACK");
        this.#count(isKept ? "committed" : "rolled back");
        client.release();
      } catch {
        this.#count("failed");
        client.release(true);
      }
    }
  }

  async #put(client: pg.PoolClient, broker: Broker, topic: string, json: string): Promise<void> {
    await client.query("INSERT INTO ledger VALUES ($1, $2)", [topic, json]);
    await broker.transactional?.publish(client, topic, publicationOf(json), bounds);
  }

  /** Messages of a hub, some at a time. */
  async #publish(who: number, broker: Broker): Promise<void> {
    const random = this.#random.fork();
    for (let i = 0; !this.#isOver; i += 1) {
      const sent = Array.from({ length: random.whole(1, 8) }, async (_, k) => {
        const [topic, json] = [random.pick(this.#topics), `"hub ${who}.${i}.${k}"`];
        const outcome = await broker.publish(topic, publicationOf(json), bounds).then(
          ({ offset }) => offset,
          (error: unknown) => this.#outcomeOf(error),
        );
        this.#outcomes.set(`${topic} ${json}`, outcome);
        this.#count(typeof outcome === "number" ? "acknowledged" : outcome);
      });
      await Promise.all(sent);
      await sleep(random.magnitude(1, 20));
    }
  }

  #outcomeOf(error: unknown): "not published" | "unknown" {
    const code = error instanceof CometError ? error.code : String(error);
    if (code !== "ERR_BROKER" && code !== "ERR_UNACKNOWLEDGED") this.#violations.push(`a publish failed with ${code}`);
    return code === "ERR_BROKER" ? "not published" : "unknown";
  }

  async #harm(proxies: readonly TcpProxy[]): Promise<void> {
    const random = this.#random.fork();
    while (!this.#isOver) {
      await sleep(random.whole(200, 900));
      const [kind, proxy] = [this.#harms.next(), random.pick(proxies)];
      this.#count(kind);
      if (kind === "server killed") {
        await this.#server.kill();
        await sleep(random.magnitude(20, 800));
        await this.#server.start();
      } else if (kind === "backends ended") {
        const others = "pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < 0.3";
        await this.#server.sql(`SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE ${others}`);
      } else if (kind === "link cut") proxy.cut();
      else if (kind === "link stalled") {
        proxy.stall();
        await sleep(random.magnitude(50, 2500));
        if (random.chance(0.5)) proxy.cut();
        proxy.resume();
      } else {
        proxy.refuse();
        await sleep(random.magnitude(50, 800));
        proxy.accept();
      }
    }
  }

  async #check(broker: Broker, epochs: readonly string[]): Promise<void> {
    // A publish whose answer was lost may still be committed, until its connection is found to be broken.
    await this.#server.sql(
      "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()",
    );
    for (const [t, topic] of this.#topics.entries()) {
      const messages = await this.#readAll(broker, topic, epochs[t] as string);
      const rows = await this.#server.sql("SELECT json FROM ledger WHERE topic = $1", [topic]);
      const own = messages.filter(({ json }) => !json.startsWith('"hub')).map(({ json }) => json);
      const committed = new Set(rows.map(({ json }) => json as string));
      const found = new Set(own);
      if (found.size !== own.length) this.#violations.push(`${topic}: a message of a transaction is doubled`);
      for (const json of committed)
        if (!found.has(json)) this.#violations.push(`${topic}: ${json} was committed and is lost`);
      for (const json of found) if (!committed.has(json)) this.#violations.push(`${topic}: ${json} was not committed`);
      this.#checkHubs(topic, messages);
      this.#counts.set("messages", (this.#counts.get("messages") ?? 0) + messages.length);
    }
  }

  #checkHubs(topic: string, messages: readonly BrokerMessage[]): void {
    const offsets = new Map<string, number>();
    for (const { json, offset } of messages) {
      if (offsets.has(json)) this.#violations.push(`${topic}: ${json} is doubled`);
      offsets.set(json, offset);
    }
    for (const [key, outcome] of this.#outcomes) {
      if (!key.startsWith(`${topic} `)) continue;
      const json = key.slice(topic.length + 1);
      const isRight =
        outcome === "unknown" || offsets.get(json) === (outcome === "not published" ? undefined : outcome);
      if (!isRight) this.#violations.push(`${topic}: ${json} is ${outcome}, and there at ${offsets.get(json)}`);
    }
  }

  async #readAll(broker: Broker, topic: string, epoch: string): Promise<BrokerMessage[]> {
    const messages: BrokerMessage[] = [];
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      try {
        const page = await broker.read(topic, messages.at(-1)?.offset ?? 0, bounds, Infinity);
        if (page.epoch !== epoch) this.#violations.push(`${topic}: another epoch has begun`);
        messages.push(...page.messages);
        if (page.messages.length > 0) continue;
        const isDense = messages.every(({ offset }, i) => offset === i + 1) && messages.length === page.head;
        if (!isDense) this.#violations.push(`${topic}: an offset is missing`);
        return messages;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}

function publicationOf(json: string): BrokerPublication {
  return { json, event: undefined, key: undefined, messageId: undefined, bytes: json.length };
}
