import { CometError, describe } from "../../core/errors.ts";
import { andThen, isPromiseLike } from "../../core/promise.ts";
import { checkInit } from "../../http/init.ts";
import type { Answer, Decision } from "./decision.ts";
import {
  checkIdentity,
  checkOverflow,
  type HubRequest,
  type HubSettings,
  type RequestOptions,
} from "../hub-options.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { Capacity } from "../capacity.ts";
import type { StreamRequest } from "../delivery/stream-request.ts";
import type { Subscriptions } from "../delivery/subscriptions.ts";
import type { Topics } from "../topics/topics.ts";
import { assertAllowed, authorize, callApplication } from "./authorize.ts";
import { corsHeaders, preflight } from "./cors.ts";
import { addStreamHeaders, type RequestOptionsWithPolicy } from "./headers.ts";
import { isForDocument } from "./negotiate.ts";
import { refusal } from "./refusal.ts";
import { chooseWire, plainComet, queryOf, readMode, readRequest, type WireChoice } from "./read-request.ts";

/**
 * Decides on requests: PROTOCOL.md, sections 3, 4 and 7. The decision is an `Answer`, or an `Admission` with a reserved
 * place.
 *
 * A refused request has an answer and no other effect. Keep the order of checks: the request's form, its topics, room,
 * and only then `authorize` and the reservation. So a stranger's bad request costs no call of the application's
 * `authorize`, and nothing is reserved for a client that may not follow.
 */
export class Gate {
  readonly #settings: HubSettings;
  readonly #capacity: Capacity;
  readonly #topics: Topics;
  readonly #subscriptions: Subscriptions;
  readonly #counters: HubCounters;

  constructor(
    settings: HubSettings,
    capacity: Capacity,
    topics: Topics,
    subscriptions: Subscriptions,
    counters: HubCounters,
  ) {
    this.#settings = settings;
    this.#capacity = capacity;
    this.#topics = topics;
    this.#subscriptions = subscriptions;
    this.#counters = counters;
  }

  /**
   * Decides on a request; synchronously where nothing waits.
   *
   * Never throws or rejects: bad options and errors of `optionsOf`, which are the application's mistakes, go to
   * `onError`, and the client gets 500.
   *
   * @param optionsOf Returns the options of this request.
   */
  decide(
    request: HubRequest,
    optionsOf: () => RequestOptions | PromiseLike<RequestOptions>,
  ): Decision | PromiseLike<Decision> {
    const counted = (decision: Decision): Decision => {
      if ("status" in decision && decision.status >= 400) this.#counters.rejected += 1;
      return decision;
    };
    const failed = (error: unknown): Decision => {
      this.#settings.onError(error);
      const problem = new CometError("ERR_HANDLER", "The server failed to answer this request.");
      const answer = refusal(problem, isForDocument(request.headers) ? plainComet : undefined, this.#settings, {}, 0);
      return counted(withoutBody(request, answer));
    };
    try {
      const decision = andThen(optionsOf(), (options) => this.#decide(request, options));
      return isPromiseLike(decision) ? decision.then(counted, failed) : counted(decision);
    } catch (error) {
      return failed(error);
    }
  }

  /**
   * Decides on a request whose options are known.
   *
   * @throws {CometError} `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad `options`. A promise rejects with the
   *   same.
   */
  #decide(request: HubRequest, options: RequestOptionsWithPolicy): Decision | PromiseLike<Decision> {
    const settings = this.#settings;
    const { headers } = checkInit({ ...(options.headers === undefined ? {} : { headers: options.headers }) });
    checkRequestOptions(options);
    const crossOrigin = corsHeaders(settings, request);
    if (request.method === "OPTIONS" && crossOrigin !== undefined) return preflight(crossOrigin);
    let choice: WireChoice | undefined = isForDocument(request.headers) ? plainComet : undefined;
    const refuse = (error: unknown): Answer => {
      if (!(error instanceof CometError) || error.code === "ERR_NONCE") throw error;
      const answer = refusal(error, choice, settings, options, this.#capacity.retryAfterMs);
      crossOrigin?.forEach((value, name) => answer.headers.set(name, value));
      return withoutBody(request, answer);
    };
    try {
      if (request.method !== "GET" && request.method !== "HEAD") {
        throw new CometError("ERR_METHOD", `The method must be GET or HEAD, not ${describe(request.method)}.`);
      }
      const query = queryOf(request);
      choice = { ...plainComet, wire: chooseWire(request, query) };
      choice = { ...choice, ...readMode(query) };
      const wire = choice;
      const stream = readRequest(request, query, wire, settings, options);
      callApplication(settings, () => stream.topics.forEach((topic) => this.#topics.assertTopic(topic)));
      this.#capacity.assertRoom();
      const decision = andThen(authorize(settings, request, stream.topics), (authorization) => {
        assertAllowed(authorization);
        const document = wire.wire === "comet" ? { target: wire.target, hasScripts: true } : undefined;
        addStreamHeaders(headers, stream.format.contentType, document, settings, options, crossOrigin);
        return this.#admit(request, stream, headers, options);
      });
      return isPromiseLike(decision) ? decision.then(undefined, refuse) : decision;
    } catch (error) {
      return refuse(error);
    }
  }

  /** Holds the topics and takes a place for a request that the application allows. A HEAD request takes none. */
  #admit(
    request: HubRequest,
    stream: StreamRequest,
    headers: Headers,
    options: RequestOptions,
  ): Decision | PromiseLike<Decision> {
    if (request.method === "HEAD") {
      this.#capacity.assertRoom();
      return { status: 200, headers, body: "" };
    }
    this.#capacity.assertRoom();
    const holding = callApplication(this.#settings, () => this.#topics.hold(stream.topics, stream.positions));
    return andThen(holding, ({ topics, release }) => {
      try {
        this.#capacity.take();
      } catch (error) {
        release();
        throw error;
      }
      return {
        headers,
        wire: stream.format.wire,
        open: (sink) => {
          try {
            return this.#subscriptions.open(topics, stream, options, sink);
          } finally {
            release();
          }
        },
        release: () => {
          this.#capacity.free();
          release();
        },
      };
    });
  }
}

/** Checks the options of a request. @throws {CometError} `ERR_OPTION`. */
function checkRequestOptions({ topics, overflow, identity }: RequestOptions): void {
  checkIdentity(identity);
  if (overflow !== undefined) checkOverflow(overflow);
  const isList = Array.isArray(topics) && topics.length > 0 && topics.every((topic) => typeof topic === "string");
  if (topics !== undefined && !isList) {
    throw new CometError("ERR_OPTION", `topics must be a list of one or more names, not ${describe(topics)}.`);
  }
}

function withoutBody(request: HubRequest, answer: Answer): Answer {
  return request.method === "HEAD" ? { ...answer, body: "" } : answer;
}
