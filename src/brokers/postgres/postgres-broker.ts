import { CometError } from "../../core/errors.ts";
import { unrefInterval, type Timer } from "../../core/timers.ts";
import type { Broker, BrokerHost, BrokerPublication, History, Notice, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { Reconnection } from "../reconnection.ts";
import { FollowedTopics } from "./followed-topics.ts";
import { historyOf, type RunAnswer } from "./message-codec.ts";
import { NewsFeed } from "./news-feed.ts";
import { PendingConnects } from "./pending-connects.ts";
import type { PostgresSettings } from "./postgres-broker-options.ts";
import type { Rows } from "./postgres-connection.ts";
import { PostgresFinite, refusalOf } from "./postgres-finite.ts";
import { PostgresSession } from "./postgres-session.ts";
import { PostgresTransactional } from "./postgres-transactional.ts";
import { PublishQueue, boundsOf, type PublishAnswer, type PublishKind, type PublishRun } from "./publish-queue.ts";
import { brokerError, writeError } from "./sql-errors.ts";
import { Upkeep } from "./upkeep.ts";

/** The size of one answer to `read`, approximately. */
const ANSWER_ENTRIES = 1000;
const ANSWER_BYTES = 1_048_576;
/** The topic of signals. No hub can use its name. */
const SIGNALS = "";
const signalBounds: TopicBounds = { maxEntries: 10_000, maxBytes: 4_194_304, maxAgeMs: 60_000 };
/** The longest interval at which followed topics are noted as used, in milliseconds: an hour. */
const MAX_KEEP_MS = 3_600_000;

/** A session, and what belongs to it. */
interface Life {
  readonly session: PostgresSession;
  readonly feed: NewsFeed;
  readonly upkeep: Upkeep;
}

/**
 * The broker on PostgreSQL: rows of messages, which functions of the schema add and read. There is at most one session at a time. When it
 * ends, calls reject at once until another session has resolved all topics with listeners; only then is the hub notified with `restored`,
 * since it reads what it missed from that moment on. A signal is a message of a topic with an empty name.
 */
export class PostgresBroker implements Broker {
  readonly name = "postgres";
  readonly isDense = true;
  readonly finite: PostgresFinite;
  readonly transactional: PostgresTransactional;
  readonly #settings: PostgresSettings;
  readonly #connects: PendingConnects;
  readonly #followed = new FollowedTopics();
  readonly #queue: PublishQueue;
  readonly #reconnection: Reconnection;
  #life: Life | undefined;
  #keeper: Timer | undefined;

  private constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#connects = new PendingConnects(settings.pool);
    this.#reconnection = new Reconnection({
      maxRetryMs: settings.maxRetryMs,
      connect: () => this.#connect(),
      isConnected: () => this.#life !== undefined,
      lossOf: (error) => brokerError("stay connected", error),
    });
    this.#queue = new PublishQueue(
      settings,
      () => this.#life?.session,
      (run, answer) => this.#published(run, answer),
    );
    this.finite = new PostgresFinite(
      (text, values, action) => this.#write(text, values, action),
      (topic, end, bounds) => this.#append(topic, end, bounds, "settle"),
    );
    this.transactional = new PostgresTransactional(settings.schema, settings.timeoutMs, () => this.#assertOpen());
    this.#followed.add(SIGNALS, ({ message }) => this.#receiveSignal(message.json));
  }

  /** @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`. */
  static async open(settings: PostgresSettings): Promise<PostgresBroker> {
    const broker = new PostgresBroker(settings);
    await broker.#connect();
    const keepMs = Math.min(settings.topicTtlMs / 4, MAX_KEEP_MS);
    broker.#keeper = unrefInterval(() => void broker.#life?.feed.keep(), keepMs);
    return broker;
  }

  attach(host: BrokerHost): void {
    this.#reconnection.attach(host);
  }

  async publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    const { position, word } = await this.#append(topic, message, bounds, message.ended === undefined ? "" : "end");
    if (position === undefined) throw refusalOf(topic, word);
    return position;
  }

  async read(topic: string, after: number, bounds: TopicBounds): Promise<History> {
    const [maxEntries, maxBytes, maxAge] = boundsOf(bounds);
    const values = [topic, after, maxEntries, maxBytes, maxAge, ANSWER_ENTRIES, ANSWER_BYTES];
    const { session } = this.#openLife();
    try {
      return historyOf(await session.read("SELECT * FROM comet.read($1, $2, $3, $4, $5, $6, $7)", values), after);
    } catch (error) {
      throw brokerError("read", error);
    }
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const { feed } = this.#openLife();
    const following = feed.follow(topic, listener);
    const followed = this.#followed.get(topic);
    try {
      await following;
    } catch (error) {
      if (this.#followed.get(topic) === followed) this.#followed.delete(topic);
      throw brokerError("subscribe", error);
    }
  }

  unlisten(topic: string): void {
    this.#followed.delete(topic);
  }

  async renew(topic: string, epoch: string): Promise<void> {
    const { session } = this.#openLife();
    try {
      await session.write("SELECT comet.renew($1, $2)::text", [topic, epoch], "ERR_BROKER");
    } catch (error) {
      throw brokerError("begin another epoch", error);
    }
  }

  signal(text: string): void {
    if (this.#life === undefined) return;
    // As JSON, since the server takes neither NUL nor lone surrogates.
    const json = JSON.stringify(text);
    const message = { json, event: undefined, key: undefined, messageId: undefined, bytes: json.length };
    // A signal may be lost.
    this.#queue.add(SIGNALS, message, signalBounds, "").catch(() => undefined);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- connections are destroyed, which nothing can await
  async close(): Promise<void> {
    this.#reconnection.close();
    this.#followed.clear();
    clearInterval(this.#keeper);
    this.#endLife();
  }

  /** Adds an entry to a topic, or as `settle` does. */
  async #append(
    topic: string,
    message: BrokerPublication,
    bounds: TopicBounds,
    kind: PublishKind,
  ): Promise<PublishAnswer> {
    this.#openLife();
    return await this.#queue.add(topic, message, bounds, kind);
  }

  async #write(text: string, values: unknown[], action: string): Promise<Rows> {
    const { session } = this.#openLife();
    try {
      return await session.write(text, values);
    } catch (error) {
      throw writeError(action, error);
    }
  }

  /** Notifies listeners of what this process has published: here at once, and in other processes soon. */
  #published({ topic, items }: PublishRun, { id, epoch, first, at, added }: RunAnswer): void {
    const life = this.#life;
    if (life === undefined) return;
    life.upkeep.note(id);
    life.feed.publish(id, first + added - 1);
    const followed = this.#followed.get(topic);
    if (followed?.id !== id) return;
    if (added !== items.length || followed.after !== first - 1) {
      life.feed.fetchSoon(id);
      return;
    }
    for (const [i, { message }] of items.entries()) {
      const { json, event, key, messageId, ended } = message;
      this.#followed.notify(followed, epoch, { offset: first + i, at, json, event, key, messageId, ended });
    }
  }

  #receiveSignal(json: string): void {
    try {
      const text: unknown = JSON.parse(json);
      if (typeof text === "string") this.#reconnection.host?.signalled(text);
    } catch {
      // Another program has written it.
    }
  }

  #assertOpen(): void {
    if (this.#reconnection.isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
  }

  #openLife(): Life {
    this.#assertOpen();
    if (this.#life !== undefined) return this.#life;
    throw new CometError("ERR_BROKER", "There is no connection to PostgreSQL.", {
      cause: this.#reconnection.lastError,
    });
  }

  async #connect(): Promise<void> {
    const { pollMs, topicTtlMs } = this.#settings;
    let end: { readonly error: unknown } | undefined;
    const session = await PostgresSession.open(this.#settings, this.#connects, (error) => {
      end = { error };
      if (this.#life?.session === session) this.#lose(error);
    });
    const feed = new NewsFeed(session, this.#followed, pollMs, (payload) => this.#reportIgnored(payload));
    session.onNotification = (payload) => feed.wake(payload);
    try {
      await feed.start();
      if (end !== undefined) throw end.error;
    } catch (error) {
      feed.stop();
      session.close();
      throw brokerError("connect", error);
    }
    const life = { session, feed, upkeep: new Upkeep(session, topicTtlMs) };
    this.#life = life;
    if (this.#reconnection.isClosed) {
      this.#endLife();
      return;
    }
    life.upkeep.start();
  }

  #endLife(cause?: unknown): void {
    const life = this.#life;
    this.#life = undefined;
    life?.feed.stop();
    life?.upkeep.stop();
    life?.session.close();
    this.#followed.unresolve();
    this.#queue.rejectUnsent(() =>
      this.#reconnection.isClosed
        ? new CometError("ERR_CLOSED", "The broker is closed.")
        : new CometError("ERR_BROKER", "The connection to PostgreSQL is lost.", { cause }),
    );
  }

  #lose(error: unknown): void {
    this.#endLife(error);
    this.#reconnection.lose(error);
  }

  #reportIgnored(payload: string): void {
    const message = `A notification of the channel ${this.#settings.schema} is not one of a hub: ${JSON.stringify(payload.slice(0, 40))}.`;
    this.#reconnection.host?.ignored(new CometError("ERR_MESSAGE", message));
  }
}
