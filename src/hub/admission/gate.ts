import { CometError, describe } from "../../core/errors.ts";
import { andThen, isPromiseLike } from "../../core/promise.ts";
import { copyText } from "../../core/utf8.ts";
import { checkInit } from "../../http/init.ts";
import type { Answer } from "./answer.ts";
import type { Admission, Decision } from "./decision.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubCounters } from "../hub-stats.ts";
import { checkRequestOptions, type HubRequest, type RequestOptions } from "../request-options.ts";
import type { Capacity, Claim, Place } from "../capacity.ts";
import type { StreamRequest } from "../delivery/stream-request.ts";
import type { Subscriptions } from "../delivery/subscriptions.ts";
import type { Sweeper } from "../sweeper.ts";
import type { LiveTopic } from "../topics/live-topic.ts";
import type { Topics } from "../topics/topics.ts";
import { awaitBeginning } from "./await-beginning.ts";
import { assertNotExpired, authorize, callApplication, type Grant } from "./authorize.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { negotiateCoding } from "./content-coding.ts";
import type { RequestOptionsWithPolicy } from "./headers.ts";
import { isForDocument } from "./negotiate.ts";
import { clientKey } from "./client-address.ts";
import { Query } from "./query.ts";
import { RequestRate } from "./request-rate.ts";
import { refusal } from "./refusal.ts";
import { Rejection } from "./rejection.ts";
import { merged, StreamHeaders, withoutContent } from "./stream-headers.ts";
import { chooseWire, noPositions, readMode, readRequest } from "./read-request.ts";
import { ReservedStream } from "./reserved-stream.ts";
import type { SurfaceStream } from "./surface-stream.ts";
import { plainComet, type WireChoice } from "./wire-choice.ts";

/** The methods of the hub's own streams. */
const METHODS: readonly string[] = ["GET", "HEAD"];

/**
 * Decides on requests: PROTOCOL.md, sections 3, 4 and 7. The decision is an `Answer`, or an `Admission` with a reserved
 * place.
 *
 * A refused request has an answer and no other effect, except that it counts for the rate of its client. Keep the order
 * of checks: the request's form and rate, room, `authorize`, the topics, and only then the place. So a stranger's bad
 * request costs no call of the application's `authorize`, a client that `authorize` refuses does not learn which topics
 * exist, and nothing is reserved for it.
 */
export class Gate {
  readonly #settings: HubSettings;
  readonly #capacity: Capacity;
  readonly #topics: Topics;
  readonly #subscriptions: Subscriptions;
  readonly #counters: HubCounters;
  readonly #rate: RequestRate;
  readonly #headers: StreamHeaders;

  constructor(
    settings: HubSettings,
    capacity: Capacity,
    topics: Topics,
    subscriptions: Subscriptions,
    counters: HubCounters,
    sweeper: Sweeper,
  ) {
    this.#settings = settings;
    this.#capacity = capacity;
    this.#topics = topics;
    this.#subscriptions = subscriptions;
    this.#counters = counters;
    this.#rate = new RequestRate(settings.maxRequestsPerSecondPerAddress, sweeper);
    this.#headers = new StreamHeaders(settings);
  }

  /**
   * Decides on a request; synchronously where nothing waits.
   *
   * Never throws or rejects: bad options and errors of `optionsOf`, which are the application's mistakes, go to
   * `onError`, and the client gets 500.
   *
   * @param optionsOf Returns the options of this request.
   * @param surface The stream of a surface, in place of the topics and the wire that the request names.
   */
  decide(
    request: HubRequest,
    optionsOf: () => RequestOptions | PromiseLike<RequestOptions>,
    surface?: SurfaceStream,
  ): Decision | PromiseLike<Decision> {
    try {
      const decision = andThen(optionsOf(), (options) => this.#decide(request, options, surface));
      return isPromiseLike(decision)
        ? decision.then(undefined, (error: unknown) => this.#fail(request, error))
        : decision;
    } catch (error) {
      return this.#fail(request, error);
    }
  }

  /** Reports a mistake of the application, and answers with 500. */
  #fail(request: HubRequest, error: unknown): Answer {
    this.#settings.onError(error);
    this.#counters.rejected += 1;
    const problem = new CometError("ERR_HANDLER", "The server failed to answer this request.");
    const isDocument = isForDocument(request.headers);
    return withoutBody(request, refusal(problem, isDocument ? plainComet : undefined, this.#settings, {}, 0));
  }

  /**
   * Checks the options of a request, and counts it for the rate of its client. A surface calls it once for each request, and then
   * {@link assertRate}.
   *
   * @throws {CometError} `ERR_OPTION` or `ERR_RESPONSE` for bad `options`.
   */
  screen(request: HubRequest, options: RequestOptions): ScreenedRequest {
    const headers = options.headers === undefined ? undefined : checkInit({ headers: options.headers }).headers;
    checkRequestOptions(options);
    const crossOrigin = corsHeaders(this.#settings, request);
    const isPreflight = request.method === "OPTIONS" && crossOrigin !== undefined;
    const address = clientKey(request, options, this.#settings);
    return { headers, crossOrigin, address, waitMs: isPreflight ? 0 : this.#rate.count(address) };
  }

  /**
   * Decides on a request whose options are known.
   *
   * @throws {CometError} `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad `options`. A promise rejects with the
   *   same.
   */
  #decide(
    request: HubRequest,
    options: RequestOptionsWithPolicy,
    surface: SurfaceStream | undefined,
  ): Decision | PromiseLike<Decision> {
    const settings = this.#settings;
    const { headers: given, crossOrigin, address, waitMs } = this.screen(request, options);
    if (request.method === "OPTIONS" && crossOrigin !== undefined) return preflight(crossOrigin);
    let choice: WireChoice | undefined = isForDocument(request.headers) ? plainComet : undefined;
    const refuse = (error: unknown): Answer => {
      if (!(error instanceof CometError) || error.code === "ERR_NONCE") throw error;
      this.#counters.rejected += 1;
      const answer = refusal(error, choice, settings, options, this.#capacity.retryAfterMs);
      crossOrigin?.forEach((value, name) => answer.headers.set(name, value));
      if (error.code === "ERR_METHOD") answer.headers.set("allow", methods.join(", "));
      return withoutBody(request, answer);
    };
    const methods = surface?.methods ?? METHODS;
    try {
      if (!methods.includes(request.method)) {
        const allowed = `${methods.slice(0, -1).join(", ")} or ${methods.at(-1) ?? ""}`;
        throw new CometError("ERR_METHOD", `The method must be ${allowed}, not ${describe(request.method)}.`);
      }
      const query = new Query(request, settings);
      choice = { ...plainComet, wire: surface?.format.wire ?? chooseWire(request, query) };
      // A surface's own client reads the status of a refusal.
      choice = surface === undefined ? { ...choice, ...readMode(query) } : { ...choice, managed: true };
      // Only now, since the wire decides in which form the refusal is.
      assertRate(waitMs);
      const wire = choice;
      const stream = readRequest(request, query, wire, settings, options, surface);
      const unnamed = { identity: undefined, address, isReturning: isReturning(stream) };
      if (surface?.needsRoom !== false) this.#capacity.assertRoom(unnamed);
      const decision = andThen(authorize(settings, request, stream.topics, options.context), (grant) => {
        const { topics } = grant;
        callApplication(settings, () => topics.forEach((topic) => this.#topics.assertTopic(topic)));
        // A surface may begin a topic anew that has expired.
        const isGone = surface === undefined && topics.every((topic) => this.#topics.isExpired(topic));
        if (isGone) throw expiredTopic();
        const document = wire.wire === "comet" ? { target: wire.target, hasScripts: true } : undefined;
        const own = surface?.headers === undefined ? given : merged(given, surface.headers);
        const coding = negotiateCoding(request, wire.wire, topics, own, settings);
        const { contentType } = stream.format;
        const headers = this.#headers.of({ given: own, contentType, document, coding, crossOrigin }, options);
        const allowed = { ...stream, topics, isPacked: coding === "gzip" };
        const name = grant.identity ?? options.identity;
        const claim = name === undefined ? unnamed : { ...unnamed, identity: copyText(name) };
        const enter = (opensStream: boolean): Decision | PromiseLike<Decision> => {
          if (!opensStream) return { status: 204, headers: withoutContent(headers), body: "" };
          if (request.method !== "HEAD") return this.admit(allowed, headers, options, grant, claim);
          this.#capacity.assertRoom(claim);
          return { status: 200, headers, body: "" };
        };
        return andThen(surface?.act() ?? true, enter);
      });
      return isPromiseLike(decision) ? decision.then(undefined, refuse) : decision;
    } catch (error) {
      return refuse(error);
    }
  }

  /**
   * Holds the topics and takes a place for a request that the application allows. A surface calls it for a stream in a format of its
   * own.
   *
   * @param headers The headers of the stream, complete.
   * @throws {CometError} As a promise rejects: `ERR_LIMIT`, `ERR_RATE`, `ERR_CLOSED`, `ERR_BROKER`, `ERR_TOPIC_UNKNOWN`,
   *   `ERR_TOPIC_EXPIRED`, `ERR_UNAUTHORIZED`.
   */
  admit(
    stream: StreamRequest,
    headers: Headers,
    { context, overflow }: RequestOptions,
    grant: Grant,
    claim: Claim,
  ): Decision | PromiseLike<Decision> {
    this.#capacity.assertRoom(claim);
    const remembered = stream.topics.filter((name) => this.#topics.isExpired(name));
    const kept = remembered.length === 0 ? stream.topics : stream.topics.filter((name) => !remembered.includes(name));
    const positions = stream.positions === "unreadable" ? noPositions : stream.positions;
    const holding = callApplication(this.#settings, () => this.#topics.hold(kept, positions, stream.from));
    return andThen(holding, ({ topics: held, starts, release }) => {
      const lost = held.filter(({ isExpired }) => isExpired);
      const topics = lost.length === 0 ? held : held.filter(({ isExpired }) => !isExpired);
      const expired = lost.length === 0 ? remembered : [...remembered, ...lost.map(({ name }) => name)];
      if (topics.length === 0) {
        release();
        throw expiredTopic();
      }
      if (isReadPlainSse(stream, topics)) {
        release();
        return { status: 204, headers: withoutContent(headers), body: "" };
      }
      let place: Place | undefined;
      const fail = (error: unknown): never => {
        place?.free(false);
        release();
        throw error;
      };
      const reserve = (startBy: number, taken: Place): Admission => {
        // The broker and the publisher may have taken their time.
        assertNotExpired(grant);
        const { removed, expiresAt } = grant;
        const { identity } = claim;
        const client = { identity, context, overflow, removed, expired, starts, startBy, expiresAt, place: taken };
        const heartbeatMs = stream.format.heartbeat === "" ? 0 : this.#settings.heartbeatMs;
        return new ReservedStream(this.#subscriptions, {
          headers,
          heartbeatMs,
          topics,
          request: stream,
          client,
          release,
        });
      };
      try {
        const taken = (place = this.#capacity.take(claim));
        const beginning = awaitBeginning(topics);
        if (!isPromiseLike(beginning)) return reserve(beginning, taken);
        return beginning.then((startBy) => reserve(startBy, taken)).catch(fail);
      } catch (error) {
        return fail(error);
      }
    });
  }
}

/** The properties of a request that are known before it is read. */
export interface ScreenedRequest {
  /** The headers that the application's options give; `undefined` if they give none. */
  readonly headers: Headers | undefined;
  /** The headers for other origins; `undefined` where the hub has no `cors`. */
  readonly crossOrigin: Headers | undefined;
  /** The key under which the client's address is counted. */
  readonly address: string | undefined;
  /** The time in milliseconds until the client may send another request; 0 if it may send this one. */
  readonly waitMs: number;
}

/** Rejects a request of a client that sends too many. @throws {CometError} `ERR_RATE`. */
export function assertRate(waitMs: number): void {
  if (waitMs > 0) throw new Rejection("ERR_RATE", "There are too many requests from this address.", waitMs);
}

function expiredTopic(): CometError {
  return new CometError("ERR_TOPIC_EXPIRED", "The topic has ended, and its messages are no longer kept.");
}

/** Returns whether a client resumes one of its topics. */
function isReturning({ topics, positions }: Pick<StreamRequest, "topics" | "positions">): boolean {
  return positions !== "unreadable" && positions.size > 0 && topics.some((topic) => positions.has(topic));
}

/**
 * Whether the client is an `EventSource` that comes back after it has had the ends of all topics. It stops after 204
 * (WHATWG HTML, 9.2.3), and after no end of a stream.
 */
function isReadPlainSse({ format, positions }: StreamRequest, topics: readonly LiveTopic[]): boolean {
  if (!format.idsNameAllTopics || positions === "unreadable") return false;
  return topics.every(({ name, log }) => {
    const position = positions.get(name);
    return (
      log.ended !== undefined && position !== undefined && log.indexOf(position.epoch, position.offset) === log.head
    );
  });
}

function withoutBody(request: HubRequest, answer: Answer): Answer {
  return request.method === "HEAD" ? { ...answer, body: "" } : answer;
}
