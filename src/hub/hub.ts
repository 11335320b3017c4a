import { CometError } from "../core/errors.ts";
import { assertFunction, assertInteger, MAX_TIMER_MS } from "../core/options.ts";
import { checkTopicName } from "../log/position.ts";
import { Enumerator } from "../stream/enumerator.ts";
import type { Source } from "../stream/sources/from.ts";
import type { IfJsonable, JsonValue } from "../wire/json.ts";
import { Gate } from "./admission/gate.ts";
import { Capacity } from "./capacity.ts";
import type { Decision } from "./admission/decision.ts";
import { Flusher } from "./flusher.ts";
import type { HubOptions } from "./hub-options.ts";
import { checkHubOptions, type HubSettings } from "./hub-settings.ts";
import { HubCounters, type HubStats } from "./hub-stats.ts";
import { PackingContext } from "./packing/packing-context.ts";
import { assertHubWorksHere } from "./platform.ts";
import { Presences } from "./presence/presences.ts";
import type { HubRequest, RequestOptions } from "./request-options.ts";
import type { Endpoint } from "./endpoint.ts";
import { respond } from "./respond.ts";
import type { Subscription } from "./subscription.ts";
import type { SurfaceAccess } from "./surface-access.ts";
import { Subscriptions } from "./delivery/subscriptions.ts";
import { Sweeper } from "./sweeper.ts";
import type { MessagesOptions, PublishOptions, Topic, TopicDeclaration, TopicEncoder, TopicMessage } from "./topic.ts";
import type { ProduceOptions, StreamOutcome, StreamProducing } from "./published-streams.ts";
import { BrokerLink } from "./topics/broker-link.ts";
import { brokerCodec } from "./topics/encode-message.ts";
import { currentPosition } from "./topics/current-position.ts";
import { HubSourceTopics } from "./topics/hub-source-topic.ts";
import { LogReader } from "./topics/log-reader.ts";
import { Producers } from "./topics/producers.ts";
import { SourcePublisher } from "./topics/publish-from.ts";
import { Publisher } from "./topics/publisher.ts";
import { Topics } from "./topics/topics.ts";

/** Options of `hub.close`. */
export interface CloseOptions {
  /** The time in milliseconds over which the connections are ended, from 0 to 2,147,483,647. @default 5000 */
  readonly drainMs?: number;
}

const DEFAULT_DRAIN_MS = 5000;

/**
 * Topics and their subscribers. Every message published to a topic reaches each of its subscribers, on any wire, in
 * order.
 *
 * A client that reconnects with its position gets the messages that it missed, or a `gap` with their number. A hub has
 * no network of its own: give it requests by {@link fetch}, by {@link fetchHandler}, or by `nodeHandler` of
 * `comet-sockets/node`. The application closes it.
 *
 * This class only wires the rooms together and orders their shutdown. A request goes to `Gate`, a publication to
 * `Publisher`, a question about subscribers to `Presences`. Keep the order of calls in the constructor and in `#close`.
 *
 * @throws {CometError} `ERR_OPTION` or `ERR_CALLBACK` for bad options; `ERR_RUNTIME` in a Cloudflare Worker outside of
 *   `cometObject`.
 * @example
 * ```ts
 * const hub = new Hub();
 * const news = hub.topic<{ title: string }>("news");
 * export default { fetch: hub.fetch };
 * await news.publish({ title: "Comet returns" });
 * ```
 */
export class Hub implements StreamProducing, Endpoint {
  /** @internal The parts of this hub that surfaces use. */
  readonly _surface: SurfaceAccess;
  readonly #settings: HubSettings;
  readonly #counters = new HubCounters();
  readonly #capacity: Capacity;
  readonly #link: BrokerLink | undefined;
  readonly #topics: Topics;
  readonly #publisher: Publisher;
  readonly #sources: SourcePublisher;
  readonly #sourceTopics: HubSourceTopics;
  readonly #producers: Producers;
  readonly #presence: Presences;
  readonly #packing: PackingContext | undefined;
  readonly #subscriptions: Subscriptions;
  readonly #gate: Gate;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: HubOptions = {}) {
    assertHubWorksHere();
    const settings = checkHubOptions(options);
    const { broker, onError } = settings;
    const sweeper = new Sweeper(settings);
    this.#capacity = new Capacity(settings);
    this.#settings = settings;
    const flusher = new Flusher(settings.flushSliceMs);
    this.#link = broker && new BrokerLink(broker, onError, brokerCodec(settings.maxMessageBytes));
    this.#topics = new Topics(settings, flusher, sweeper, this.#link, (topic) => this.#subscriptions.forget(topic));
    this.#publisher = new Publisher(this.#topics, this.#link, this.#counters, settings.maxMessageBytes);
    this.#sources = new SourcePublisher(settings.flushSliceMs, onError);
    this.#sourceTopics = new HubSourceTopics(this.#topics, this.#publisher);
    this.#producers = new Producers(this.#sources, this.#sourceTopics, broker);
    this.#packing = settings.compression && new PackingContext(this.#topics.memory);
    this.#subscriptions = new Subscriptions(settings, this.#capacity, flusher, sweeper, this.#counters, this.#packing);
    this.#presence = new Presences(settings, this.#subscriptions);
    this.#gate = new Gate(settings, this.#capacity, this.#topics, this.#subscriptions, this.#counters, sweeper);
    this._surface = {
      settings,
      sweeper,
      capacity: this.#capacity,
      topics: this.#topics,
      publisher: this.#publisher,
      produced: this.#sourceTopics,
      gate: this.#gate,
      counters: this.#counters,
    };
    this.#link?.attach(
      () => {
        this.#topics.restored();
        this.#presence.restored();
      },
      (text) => this.#presence.signalled(text),
      (name) => this.#topics.changed(name),
    );
  }

  /**
   * Returns a topic, to publish to and to read. It holds nothing until it is published to or followed. Messages are
   * strings or JSON values; other types need an encoder. `finite: true` declares a topic that ends, as `end` says.
   *
   * @throws {CometError} `ERR_TOPIC` for a malformed name, `ERR_TOPIC_UNKNOWN` for one that the hub's `topics` rejects,
   *   `ERR_OPTION` for bad options or if `topics` declares this name as endless, `ERR_BROKER_CONFIG` if the hub's broker
   *   does not keep topics that end.
   * @example
   * ```ts
   * const dates = hub.topic("dates", { encoder: (date: Date) => date.toISOString() });
   * ```
   */
  topic<Message = JsonValue>(name: string & IfJsonable<Message>, options?: TopicDeclaration): Topic<Message>;
  topic<Message, Sent extends JsonValue>(name: string, options: TopicEncoder<Message, Sent>): Topic<Message, Sent>;
  topic(
    name: string,
    options: TopicDeclaration & Partial<TopicEncoder<unknown, JsonValue>> = {},
  ): Topic<unknown, JsonValue> {
    checkTopicName(name);
    this.#topics.assertTopic(name);
    const finite = this.#topics.declaration(name, options);
    const encoder = "encoder" in options ? assertFunction("The encoder of a topic", options.encoder) : undefined;
    return {
      name,
      // The two overloads: the promise is of a position, or of nothing with a transaction.
      publish: ((message: unknown, publishOptions: PublishOptions = {}) =>
        this.#publisher.publish(
          name,
          encoder === undefined ? message : encoder(message),
          publishOptions,
          finite,
        )) as Topic<unknown, JsonValue>["publish"],
      publishFrom: (source, sourceOptions = {}) =>
        this.#sources.publishFrom(this.#sourceTopics.find(name, finite), source, sourceOptions, encoder),
      end: (endOptions = {}) => this.#publisher.end(name, endOptions, finite),
      delete: () => this.#publisher.delete(name),
      messages: (messagesOptions = {}) => this.#messages(name, messagesOptions),
      position: () => this.#position(name),
      presence: () => this.#presence.of(name),
      presenceChanges: () => this.#presence.changes(name),
    };
  }

  produce<Message = JsonValue>(
    name: string & IfJsonable<Message>,
    factory: (signal: AbortSignal) => Source<Message> | PromiseLike<Source<Message>>,
    options: ProduceOptions = {},
  ): Promise<StreamOutcome> {
    return this.#producers.produce(name, factory, options);
  }

  stop(name: string): Promise<void> {
    return this.#producers.stop(name);
  }

  /**
   * Answers a web-standard request: with a stream of the topics that it names, on the wire that it asks for, or with a
   * refusal that states the reason. PROTOCOL.md has the details.
   *
   * It is bound to its hub, so it is a handler of Bun, Deno and others as it is. It takes what they pass besides, and
   * uses only `completed` of Deno, by which `close` waits until a response has been sent, and `timeout` of Bun, which
   * would close a quiet stream.
   * Options of each request need {@link fetchHandler}. The stream ends when the request's signal aborts, when its body
   * is cancelled, or when the hub ends it.
   *
   * @returns The response. Never rejects: a request whose signal aborts before there is a response, such as a waiting
   *   poll, is answered with 499 and no body.
   */
  readonly fetch = (request: Request, ...platform: readonly unknown[]): Promise<Response> =>
    respond(
      request,
      this._decide(request, () => ({})),
      platform,
    );

  /** Returns the hub's counters and present state. It reads running counters in O(1); poll it as often as you like. */
  stats(): HubStats {
    const { byWire, ...counts } = this.#counters;
    const link = this.#link;
    return {
      ...counts,
      connections: this.#subscriptions.connections.size,
      byWire: { ...byWire },
      topics: this.#topics.size,
      askedTopics: this.#topics.asked,
      logEntries: this.#topics.memory.entries,
      logBytes: this.#topics.memory.bytes,
      ...(this.#packing === undefined ? {} : { compression: this.#packing.stats }),
      ...(link === undefined
        ? {}
        : {
            broker: {
              name: link.broker.name,
              isConnected: link.isConnected,
              replicas: this.#topics.replicas,
              unacknowledged: link.unacknowledged,
            },
          }),
    };
  }

  /**
   * Iterates over the open subscriptions. Subscriptions that open or end meanwhile may or may not be included.
   *
   * @example
   * ```ts
   * for (const subscription of hub.subscriptions()) {
   *   if (subscription.identity === banned) subscription.close("unauthorized");
   * }
   * ```
   */
  subscriptions(): IterableIterator<Subscription> {
    return this.#subscriptions.connections.values();
  }

  /**
   * Shuts the hub down gracefully. Call it before closing the server.
   *
   * New requests get 503 from now on, with a `Retry-After` by which the drain is over. The hub ends its connections one
   * after the other over `drainMs`, and gives each a reconnection delay of its own, so that they do not all reconnect
   * at once. Until then they get what is published. Afterwards publishing throws `ERR_CLOSED`, enumerators end, and the
   * broker is closed.
   *
   * @returns Resolves when all connections are released: at the latest 5 s after the last one was ended. Further calls
   *   return the same promise.
   * @throws {CometError} `ERR_OPTION` for a bad `drainMs`.
   * @example
   * ```ts
   * process.once("SIGTERM", async () => {
   *   await hub.close({ drainMs: 5000 });
   *   server.close();
   * });
   * ```
   */
  close({ drainMs = DEFAULT_DRAIN_MS }: CloseOptions = {}): Promise<void> {
    assertInteger("drainMs", drainMs, 0, MAX_TIMER_MS);
    if (this.#closing === undefined) {
      let resolveWith: (closing: Promise<void>) => void = () => undefined;
      // The hub must be closing before the first connection ends, since an `onClose` hook may call this again.
      this.#closing = new Promise<void>((resolve) => (resolveWith = resolve));
      resolveWith(this.#close(drainMs));
    }
    return this.#closing;
  }

  /**
   * @internal Decides on a request for an adapter, which carries the decision out: see `Gate.decide`. Never throws or
   *   rejects.
   */
  _decide(
    request: HubRequest,
    optionsOf: () => RequestOptions | PromiseLike<RequestOptions>,
  ): Decision | PromiseLike<Decision> {
    return this.#gate.decide(request, optionsOf);
  }

  /** @internal Reports an error that has no caller to the application's `onError`. */
  _report(error: unknown): void {
    this.#settings.onError(error);
  }

  #messages(name: string, { from }: MessagesOptions): Enumerator<TopicMessage<JsonValue>> {
    return new Enumerator((wake) => new LogReader(this.#topics, name, from, wake, () => this.#isClosed));
  }

  async #position(name: string): Promise<string> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    return currentPosition(this.#topics, name);
  }

  async #close(drainMs: number): Promise<void> {
    // Subscribers and readers end first, so that they get everything. Presence then says goodbye, for which it needs
    // the broker.
    // Sources go on during the drain, and end their topics while messages can still be published.
    this.#capacity.close(drainMs);
    this.#producers.refuse();
    await this.#subscriptions.drain(drainMs);
    await this.#sources.close();
    this.#producers.close();
    this.#isClosed = true;
    this.#publisher.close();
    this.#topics.wakeReaders();
    await this.#presence.close();
    this.#topics.close();
    await this.#link?.close();
    await this.#subscriptions.allReleased();
  }
}

/**
 * Returns a handler of web-standard requests that gives each request its own options, for Hono, Elysia, SvelteKit and
 * every other framework that answers with a `Response`.
 *
 * @param hub The hub, or a surface over one, such as `durableStreams(hub)`.
 * @param options The options of every request, or a function of the request and any further arguments of the handler.
 * @returns The handler. It answers as `hub.fetch` does. Bad options, and errors of the function, go to the hub's
 *   `onError`, and the client gets 500.
 * @example
 * ```ts
 * const live = fetchHandler(hub, (request, c) => ({ identity: c.get("user") }));
 * app.get("/live", (c) => live(c.req.raw, c));
 * ```
 */
export function fetchHandler<
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- only the application knows its platform's arguments.
  Platform extends any[],
>(
  hub: Endpoint,
  options:
    RequestOptions | ((request: Request, ...platform: Platform) => RequestOptions | PromiseLike<RequestOptions>) = {},
): (request: Request, ...platform: Platform) => Promise<Response> {
  return (request, ...platform) => {
    const optionsOf = typeof options === "function" ? () => options(request, ...platform) : () => options;
    return respond(request, hub._decide(request, optionsOf), platform);
  };
}
