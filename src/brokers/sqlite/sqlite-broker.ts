import { CometError } from "../../core/errors.ts";
import { Queue } from "../../core/queue.ts";
import { afterTurn } from "../../core/turn.ts";
import type {
  Broker,
  BrokerHost,
  BrokerPublication,
  FiniteTopics,
  History,
  LeaseAnswer,
  Notice,
  TopicBounds,
} from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { Reconnection } from "../reconnection.ts";
import type { SqliteSettings } from "./sqlite-broker-options.ts";
import type { News, WorkerCall } from "./worker-protocol.ts";
import { WorkerSession, type SessionEnd } from "./worker-session.ts";

/** The bytes of a pending message besides its data, approximately. */
const ENVELOPE_BYTES = 512;
/** The least delay before a damaged file is opened again, in milliseconds: all of it is checked each time. */
const DAMAGED_RETRY_MS = 30_000;

interface Subscription {
  readonly id: number;
  readonly listener: (notice: Notice) => void;
}

/** A call of the hub that is yet to be made. */
type HubEvent =
  { readonly id: number; readonly notice: Notice } | { readonly text: string } | { readonly ignored: string };

/**
 * The broker in a SQLite file. A worker thread has the file; there is at most one such session at a time. When it ends, calls reject at
 * once until another session has opened the file and listens to all topics again; only then is the hub notified with `restored`.
 */
export class SqliteBroker implements Broker {
  readonly name = "sqlite";
  readonly isDense = true;
  readonly finite: FiniteTopics;
  readonly #settings: SqliteSettings;
  readonly #reconnection: Reconnection;
  readonly #topics = new Map<string, Subscription>();
  readonly #byId = new Map<number, Subscription>();
  readonly #events = new Queue<HubEvent>();
  #ids = 0;
  #session: WorkerSession | undefined;
  #closing: Promise<void> | undefined;
  /** Whether the file was found damaged and has not been opened since. */
  #isDamaged = false;
  #isScheduled = false;
  #pendingBytes = 0;

  private constructor(settings: SqliteSettings) {
    this.#settings = settings;
    this.#reconnection = new Reconnection({
      maxRetryMs: settings.maxRetryMs,
      minRetryMs: () => (this.#isDamaged ? DAMAGED_RETRY_MS : 0),
      connect: () => this.#connect(),
      isConnected: () => this.#session !== undefined,
      lossOf: (error) => error,
    });
    this.finite = {
      maxKeptMs: Infinity,
      acquire: async (topic, request, bounds) =>
        (await this.#call({ op: "acquire", topic, request, bounds })) as LeaseAnswer,
      renewLease: async (topic, fence, leaseMs) => {
        await this.#call({ op: "renewLease", topic, fence, leaseMs });
      },
      settle: async (topic, end, bounds) => (await this.#append("settle", topic, end, bounds)) as number | undefined,
      delete: async (topic) => (await this.#call({ op: "delete", topic })) as Position | undefined,
    };
  }

  /** @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`. */
  static async open(settings: SqliteSettings): Promise<SqliteBroker> {
    const broker = new SqliteBroker(settings);
    await broker.#connect();
    return broker;
  }

  attach(host: BrokerHost): void {
    this.#reconnection.attach(host);
  }

  async publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    return (await this.#append("publish", topic, message, bounds)) as Position;
  }

  async read(topic: string, after: number, bounds: TopicBounds): Promise<History> {
    return (await this.#call({ op: "read", topic, after, bounds })) as History;
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const session = this.#openSession();
    this.#ids += 1;
    const id = this.#ids;
    const subscription = { id, listener };
    this.unlisten(topic);
    this.#topics.set(topic, subscription);
    this.#byId.set(id, subscription);
    try {
      await session.call({ op: "listen", topic, id });
    } catch (error) {
      if (this.#topics.get(topic) === subscription) this.unlisten(topic);
      throw error;
    }
  }

  unlisten(topic: string): void {
    const subscription = this.#topics.get(topic);
    if (subscription === undefined) return;
    this.#topics.delete(topic);
    this.#byId.delete(subscription.id);
    this.#send({ op: "unlisten", topic });
  }

  async renew(topic: string, epoch: string): Promise<void> {
    await this.#call({ op: "renew", topic, epoch });
  }

  signal(text: string): void {
    this.#send({ op: "signal", text });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#reconnection.close();
    this.#topics.clear();
    this.#byId.clear();
    this.#events.clear();
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  /** Adds an entry to a topic, or as `settle` does. */
  async #append(
    op: "publish" | "settle",
    topic: string,
    message: BrokerPublication,
    bounds: TopicBounds,
  ): Promise<unknown> {
    const session = this.#openSession();
    const bytes = message.bytes + (message.ended?.length ?? 0) + ENVELOPE_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#settings.maxPendingBytes) {
      throw new CometError(
        "ERR_BROKER",
        `The disk is slow: ${this.#pendingBytes} bytes of messages await their commit.`,
      );
    }
    this.#pendingBytes += bytes;
    try {
      return await session.call({ op, topic, message, bounds });
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  async #call(call: WorkerCall): Promise<unknown> {
    return this.#openSession().call(call);
  }

  /** Makes a call whose outcome does not matter. */
  #send(call: WorkerCall): void {
    this.#session?.call(call).catch(() => undefined);
  }

  #openSession(): WorkerSession {
    if (this.#closing !== undefined) throw new CometError("ERR_CLOSED", "The broker is closed.");
    if (this.#session !== undefined) return this.#session;
    const cause = this.#reconnection.lastError;
    const why = cause instanceof Error ? cause.message : "";
    throw new CometError("ERR_BROKER", `The SQLite file is not open: ${why}`, { cause });
  }

  /** Opens a session that listens to all topics. All of the file is checked if it was found damaged. */
  async #connect(): Promise<void> {
    try {
      await this.#openFile();
      this.#isDamaged = false;
    } catch (thrown) {
      const { error, isDamaged } = thrown as SessionEnd;
      this.#isDamaged ||= isDamaged;
      throw error;
    }
  }

  /** Rejects with a {@link SessionEnd}. */
  async #openFile(): Promise<void> {
    let isReady = false;
    const session = await WorkerSession.open(this.#settings, this.#isDamaged, {
      news: (news) => this.#enqueue(news),
      ended: (end) => {
        if (isReady) this.#lose(end);
      },
    });
    const topics = [...this.#topics];
    try {
      await Promise.all(topics.map(([topic, { id }]) => session.call({ op: "listen", topic, id })));
    } catch (error) {
      await session.close();
      throw { error: error as CometError, isDamaged: false };
    }
    if (this.#closing !== undefined) {
      await session.close();
      return;
    }
    if (session.isOver) throw { error: new CometError("ERR_BROKER", "The worker thread has ended."), isDamaged: false };
    isReady = true;
    this.#session = session;
    for (const [topic] of topics) if (!this.#topics.has(topic)) this.#send({ op: "unlisten", topic });
  }

  #lose({ error, isDamaged }: SessionEnd): void {
    this.#session = undefined;
    this.#isDamaged = isDamaged;
    this.#reconnection.lose(error);
  }

  #enqueue({ notices, signals, ignored }: News): void {
    for (const { id, notice } of notices) this.#events.push({ id, notice });
    for (const text of signals) this.#events.push({ text });
    for (const reason of ignored) this.#events.push({ ignored: reason });
    this.#deliver();
  }

  /** Calls the hub. If a listener throws, the other events are delivered in the next turn. */
  #deliver(): void {
    try {
      while (this.#events.size > 0) {
        const event = this.#events.shift();
        if ("notice" in event) this.#byId.get(event.id)?.listener(event.notice);
        else if ("text" in event) this.#reconnection.host?.signalled(event.text);
        else
          this.#reconnection.host?.ignored(
            new CometError("ERR_MESSAGE", `Another program has written to the SQLite file: ${event.ignored}.`),
          );
      }
    } finally {
      this.#deliverLater();
    }
  }

  #deliverLater(): void {
    if (this.#isScheduled || this.#events.size === 0) return;
    this.#isScheduled = true;
    afterTurn(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }
}
