import { CometError } from "../core/errors.ts";
import { assertFunction, MAX_TIMER_MS, assertInteger } from "../core/options.ts";
import type { Broker } from "../log/broker.ts";
import { checkTopicName, type Positions } from "../log/position.ts";
import { Enumerator } from "../stream/enumerator.ts";
import { inChunks } from "../wire/chunked-coding.ts";
import type { IfJsonable, JsonValue } from "../wire/json.ts";
import { admit, type Admission, type Gate } from "./admission.ts";
import { beginningOf } from "./beginning.ts";
import { now } from "../core/clock.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import { drain } from "./drain.ts";
import { LogRun } from "./enumerate.ts";
import { Feeds, whenReady } from "./feeds.ts";
import type { HubRequest } from "./hub-request.ts";
import { Flusher } from "./flusher.ts";
import { Groups } from "./groups.ts";
import {
  checkHubOptions,
  checkIdentity,
  type CloseReason,
  type HubOptions,
  type Settings,
  type SlowSubscriberPolicy,
  type ConnectOptions,
} from "./options.ts";
import { Presences } from "./presence.ts";
import type { Refusal } from "./problem.ts";
import { Publisher } from "./publisher.ts";
import { respond, type Enter } from "./respond.ts";
import type { HubStats } from "./stats.ts";
import type { Sink, Subscription } from "./subscription.ts";
import { Sweeper } from "./sweeper.ts";
import type { EnumerateOptions, Topic, TopicEncoder, TopicMessage } from "./topic.ts";
import { Topics, unknownTopic } from "./topics.ts";
import type { LiveTopic } from "./live-topic.ts";

/** How a hub is closed. */
export interface CloseOptions {
  /** Over how many milliseconds its connections are ended: 5,000 by default, from 0. */
  readonly drainMs?: number;
}

const DEFAULT_DRAIN_MS = 5000;
/** What a client that finds no room is told to wait, in milliseconds. */
const RETRY_WHEN_FULL_MS = 5000;

/**
 * Topics and those who follow them. What is published to a topic reaches each of its subscribers, on whichever wire
 * they came, in order; one who comes back with its position gets what it missed, or is told that it cannot have it.
 *
 * A hub needs no network of its own: give it requests with {@link connect}, or with `connect` of `comet-sockets/node`.
 *
 * @throws {CometError} `ERR_OPTION` for bad options.
 */
export class Hub {
  readonly #settings: Settings;
  readonly #feeds: Feeds | undefined;
  readonly #presence: Presences;
  readonly #topics: Topics;
  readonly #publisher: Publisher;
  readonly #groups: Groups;
  readonly #flusher: Flusher;
  readonly #sweeper: Sweeper;
  readonly #connections = new Set<Connection>();
  readonly #lingering = new Set<Connection>();
  readonly #announced = new WeakSet<Connection>();
  readonly #byWire = { comet: 0, sse: 0, ndjson: 0, poll: 0 };
  readonly #counts = { delivered: 0, skipped: 0, lagging: 0, published: 0, opened: 0, recycled: 0, rejected: 0 };
  readonly #host: ConnectionHost;
  readonly #gate: Gate;
  #closing: Promise<void> | undefined;
  #closed = false;
  #drainUntil = 0;
  #onReleased: (() => void) | undefined;

  constructor(options: HubOptions = {}) {
    this.#settings = checkHubOptions(options);
    this.#feeds = this.#createFeeds(this.#settings.broker);
    this.#topics = new Topics(this.#settings, this.#feeds);
    this.#presence = new Presences({
      ...this.#settings.presence,
      connections: this.#connections,
      signal: this.#feeds && ((text) => this.#feeds?.broker.signal(text)),
      onError: this.#settings.onError,
    });
    this.#groups = new Groups(this.#topics);
    this.#flusher = new Flusher(this.#settings.flushSliceMs);
    this.#publisher = new Publisher({
      topics: this.#topics,
      flusher: this.#flusher,
      feeds: this.#feeds,
      maxMessageBytes: this.#settings.maxMessageBytes,
      counts: this.#counts,
      isClosed: () => this.#closed,
      wake: (name) => this.#wake([name])[0] as LiveTopic,
    });
    this.#sweeper = new Sweeper(this.#settings, {
      connections: this.#connections,
      lingering: this.#lingering,
      groups: this.#groups,
      beat: (group) => {
        group.beat();
        this.#flusher.enqueue(group);
      },
      evict: () => this.#topics.sweep(),
    });
    this.#host = {
      heartbeatMs: this.#settings.heartbeatMs,
      counts: this.#counts,
      flush: (topics) => {
        for (const topic of topics) if (topic.pendingEntries > 0) this.#flusher.flushNow(topic);
      },
      closed: (connection, reason) => this.#onConnectionClosed(connection, reason),
      released: (connection) => this.#onConnectionReleased(connection),
    };
    this.#gate = this.#createGate();
  }

  /**
   * A topic, to publish to and to read. Nothing is kept for it until it is published to or followed. Messages are strings or
   * JSON values; others need an encoder.
   *
   * @throws {CometError} `ERR_TOPIC` for a malformed name, `ERR_TOPIC_UNKNOWN` for one that is not among the hub's `topics`.
   */
  topic<Message = JsonValue>(name: string & IfJsonable<Message>): Topic<Message>;
  topic<Message, Sent extends JsonValue>(name: string, options: TopicEncoder<Message, Sent>): Topic<Message, Sent>;
  topic(name: string, options?: TopicEncoder<unknown, JsonValue>): Topic<unknown, JsonValue> {
    checkTopicName(name);
    if (!this.#topics.isTopic(name)) throw unknownTopic(name);
    const encoder = options === undefined ? undefined : assertFunction("The encoder of a topic", options.encoder);
    return {
      name,
      publish: (message, publishOptions = {}) =>
        this.#publisher.publish(name, encoder === undefined ? message : encoder(message), publishOptions),
      enumerate: (enumerateOptions = {}) => this.#enumerate(name, enumerateOptions),
      presence: () => this.#presence.of(name),
      presenceChanges: () => this.#presence.changes(name),
    };
  }

  /**
   * Answers a web-standard request: with a stream of the topics that it names, on the wire that it wants, or with a
   * refusal that says why. PROTOCOL.md has the details. The stream ends with the request's signal, when its body is
   * cancelled, or by the hub.
   *
   * @returns Rejects with `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad `options`.
   */
  async connect(request: Request, options: ConnectOptions = {}): Promise<Response> {
    return respond(request, (enter) => this._connect(request, options, enter));
  }

  /** What the hub has done and what it holds now; cheap enough to ask every second. */
  stats(): HubStats {
    const { delivered, skipped, lagging, published, opened, recycled, rejected } = this.#counts;
    return {
      connections: this.#connections.size,
      byWire: { ...this.#byWire },
      lagging,
      topics: this.#topics.size,
      logEntries: this.#topics.entries,
      logBytes: this.#topics.bytes,
      published,
      delivered,
      skipped,
      opened,
      recycled,
      rejected,
      ...(this.#feeds === undefined ? {} : { broker: this.#feeds.stats() }),
    };
  }

  /** Those who are connected now. */
  subscriptions(): IterableIterator<Subscription> {
    return this.#connections.values();
  }

  /**
   * Goes down gently. From now on new requests get 503, with a `Retry-After` by which time this is over. Those connected are
   * ended one after the other over `drainMs`, each told when to come back, so that they do not all come at once; until then
   * they get what is published. After that publishing throws `ERR_CLOSED`, and enumerators end.
   *
   * @returns Resolves when all connections are gone: at the latest 5 s after the last was ended. Calling it again gives the same.
   * @throws {CometError} `ERR_OPTION` for a bad `drainMs`.
   */
  close({ drainMs = DEFAULT_DRAIN_MS }: CloseOptions = {}): Promise<void> {
    assertInteger("drainMs", drainMs, 0, MAX_TIMER_MS);
    if (this.#closing === undefined) {
      this.#drainUntil = now() + drainMs;
      let follow: (closing: Promise<void>) => void = () => undefined;
      // It is closing before the first connection is ended, whose `onClose` may come back here.
      this.#closing = new Promise<void>((resolve) => (follow = resolve));
      follow(this.#close(drainMs));
    }
    return this.#closing;
  }

  /**
   * @internal Decides on a request, for adapters. One that is let in is given to `enter`, with what begins its stream: `open`, to be
   * called before `enter` returns, or not at all if there is nobody to send it to. It gives the connection, which is to be
   * told what becomes of its sink. What is not let in gives the answer.
   */
  async _connect(request: HubRequest, options: ConnectOptions, enter: Enter): Promise<Refusal | undefined> {
    const identity = checkIdentity(options.identity);
    const answer = await admit(this.#gate, request, options, (admission) => {
      enter(admission, (sink) => this.#open(admission, sink, identity));
    });
    if (answer !== undefined && answer.status >= 400) this.#counts.rejected += 1;
    return answer;
  }

  #open({ asked, overflow }: Admission, sink: Sink, identity: string | undefined): Connection {
    const topics = this.#wake(asked.topics);
    const group = this.#groups.of(sink.isChunked ? inChunks(asked.format) : asked.format, topics);
    const policies = topics.map((topic) => overflow ?? topic.overflow);
    const beginnings = topics.map((topic, i) => {
      this.#topics.change(topic, (log) => log.trim(now()));
      return beginningOf(topic.log, asked, policies[i] as SlowSubscriberPolicy, group.cursors[i] as number);
    });
    const { pollMs, maxConnectionAgeMs, maxConnectionBytes, maxCometBytes } = this.#settings;
    const age = asked.format.wire === "poll" ? pollMs : maxConnectionAgeMs * (1 - Math.random() / 10);
    const maxBytes = asked.format.wire === "comet" ? Math.min(maxCometBytes, maxConnectionBytes) : maxConnectionBytes;
    this.#counts.opened += 1;
    const connection = new Connection(this.#host, sink, {
      id: this.#counts.opened,
      identity,
      group,
      beginnings,
      policies,
      query: asked.format.wire === "comet" ? asked.query : "",
      expiresAt: now() + age,
      maxBytes,
    });
    this.#connections.add(connection);
    this.#byWire[connection.wire] += 1;
    this.#presence.add(connection);
    connection.open(beginnings);
    if (!connection.over) {
      this.#announced.add(connection);
      this.#tell(() => this.#settings.onOpen(connection));
    }
    connection.serve();
    // A poll that has anything to tell does not wait.
    const isReady = !asked.waits || beginnings.some(({ state }) => state !== "recovered");
    if (connection.wire === "poll" && isReady) connection.end("poll", 0);
    return connection;
  }

  /** The topics of these names, alive from now on, and looked after. */
  #wake(names: readonly string[]): LiveTopic[] {
    const topics = this.#topics.wake(names);
    this.#sweeper.start();
    return topics;
  }

  /** Wakes topics for a client, and waits until they can tell where it begins. They are not forgotten meanwhile. */
  #wakeFor(names: readonly string[], position: Positions): Promise<void> | undefined {
    const topics = this.#wake(names);
    const waits = topics.flatMap((topic) => whenReady(topic, position.get(topic.log.topic)) ?? []);
    if (waits.length === 0) return undefined;
    const stay = (): void => undefined;
    const sorted = (change: (topic: LiveTopic) => void): void => {
      for (const topic of topics) {
        change(topic);
        this.#topics.sort(topic);
      }
    };
    sorted(({ wakes }) => wakes.add(stay));
    return Promise.all(waits)
      .then(
        () => undefined,
        (cause: unknown) => {
          throw new CometError("ERR_BROKER", "This server cannot reach its messages now.", { cause });
        },
      )
      .finally(() => sorted(({ wakes }) => wakes.delete(stay)));
  }

  #enumerate(name: string, { from = "newest" }: EnumerateOptions): Enumerator<TopicMessage<JsonValue>> {
    return new Enumerator((wake) => {
      const [topic] = this.#wake([name]) as [LiveTopic];
      return new LogRun(topic, from, wake, {
        isClosed: () => this.#closed,
        whenReady: (place) => whenReady(topic, place),
        changed: () => {
          topic.touchedAt = now();
          this.#topics.sort(topic);
        },
      });
    });
  }

  #onConnectionClosed(connection: Connection, reason: CloseReason): void {
    this.#connections.delete(connection);
    this.#lingering.add(connection);
    this.#byWire[connection.wire] -= 1;
    this.#presence.remove(connection);
    if (reason === "recycle") this.#counts.recycled += 1;
    this.#groups.leave(connection.group);
    if (this.#announced.has(connection)) this.#tell(() => this.#settings.onClose(connection, reason));
  }

  #onConnectionReleased(connection: Connection): void {
    this.#lingering.delete(connection);
    if (this.#connections.size === 0 && this.#lingering.size === 0) this.#onReleased?.();
  }

  /** An application's mistakes in its hooks are told to it, and change nothing here. */
  #tell(hook: () => void): void {
    try {
      hook();
    } catch (error) {
      this.#settings.onError(error);
    }
  }

  async #close(drainMs: number): Promise<void> {
    await drain(this.#connections, drainMs, () => this.#flusher.flushAll());
    this.#closed = true;
    this.#topics.wakeAll();
    await this.#presence.close();
    await this.#feeds?.end();
    if (this.#connections.size + this.#lingering.size === 0) return;
    await new Promise<void>((resolve) => (this.#onReleased = resolve));
  }

  #createFeeds(broker: Broker | undefined): Feeds | undefined {
    if (broker === undefined) return undefined;
    return new Feeds(broker, {
      append: (...given) => void this.#publisher.append(...given),
      restart: (...given) => this.#publisher.restart(...given),
      signalled: (text) => this.#presence.signalled(text),
      restored: () => this.#presence.restored(),
      onError: this.#settings.onError,
    });
  }

  #createGate(): Gate {
    return {
      settings: this.#settings,
      isClosing: () => this.#closing !== undefined,
      retryAfterMs: () => (this.#closing === undefined ? RETRY_WHEN_FULL_MS : Math.max(0, this.#drainUntil - now())),
      hasRoom: () => this.#connections.size < this.#settings.maxConnections,
      assertTopic: (name) => {
        if (!this.#topics.isTopic(name)) throw unknownTopic(name);
      },
      wakeTopics: (names, position) => this.#wakeFor(names, position),
    };
  }
}
