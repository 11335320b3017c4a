import { CometError, describe, type CometErrorCode } from "../../core/errors.ts";
import { assertFunction, assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { authorize, type Grant } from "../../hub/admission/authorize.ts";
import type { Decision } from "../../hub/admission/decision.ts";
import { assertRate, type ScreenedRequest } from "../../hub/admission/gate.ts";
import type { Endpoint, RequestWithBody } from "../../hub/endpoint.ts";
import type { Hub } from "../../hub/hub.ts";
import type { HubSettings } from "../../hub/hub-settings.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { respond } from "../../hub/respond.ts";
import { surfaceAccess, type SurfaceAccess } from "../../hub/surface-access.ts";
import type { Broker } from "../../log/broker.ts";
import { preflightAnswer, problemAnswer } from "./answer-headers.ts";
import { appendToStream, deleteStream } from "./append-stream.ts";
import { createStream } from "./create-stream.ts";
import { nameUnder } from "./name-under.ts";
import type { DurableStreamsOptions, StreamAction } from "./options.ts";
import { describeStream, readStream } from "./read-stream.ts";
import { MemoryRegistry } from "./memory-registry.ts";
import type { StreamRegistry } from "./registry.ts";
import { SharedRegistry } from "./shared-registry.ts";
import type { StreamCall } from "./stream-call.ts";

/** The longest address of a request, in characters. */
const MAX_URL_LENGTH = 8192;

const MAX = Number.MAX_SAFE_INTEGER;

/** The codes of mistakes of the application, which the client does not learn. */
const mistakes: ReadonlySet<CometErrorCode> = new Set(["ERR_OPTION", "ERR_NONCE", "ERR_RESPONSE"]);

/** Streams of the Durable Streams protocol, as {@link durableStreams} returns them. Give it to `nodeHandler` or `fetchHandler`. */
export interface DurableStreams extends Endpoint {
  /**
   * Answers a web-standard request. It is bound, so it is a handler of Bun, Deno, Workers and others as it is.
   *
   * @returns The response. Never rejects.
   */
  readonly fetch: (request: Request, ...platform: readonly unknown[]) => Promise<Response>;
}

/**
 * Serves the topics of a hub by the Durable Streams protocol: each stream is a topic that ends. An append reaches the subscribers of the
 * topic on all wires, and a message that the application publishes reaches the stream's readers.
 *
 * Without a broker the streams are in memory, and those of one call do not exist for another. With a broker all processes that share it have
 * the same streams, and they outlive a restart. The hub's `close` ends the readers.
 *
 * @returns The endpoint: `nodeHandler(streams)`, `fetchHandler(streams)`, or `streams.fetch`.
 * @throws {CometError} `ERR_OPTION` for bad options; `ERR_BROKER_CONFIG` if the hub's broker cannot keep streams, as NATS cannot.
 * @see https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md
 * @example
 * ```ts
 * const hub = new Hub();
 * const streams = durableStreams(hub, { prefix: "/streams/" });
 * createServer(nodeHandler(streams)).listen(4000);
 * ```
 */
export function durableStreams(hub: Hub, options: DurableStreamsOptions = {}): DurableStreams {
  return new StreamEndpoint(surfaceAccess(hub), options);
}

class StreamEndpoint implements DurableStreams {
  readonly _readsBodies = true;
  readonly #access: SurfaceAccess;
  readonly #registry: StreamRegistry;
  readonly #prefix: string;
  readonly #maxBodyBytes: number;
  readonly #authorize: DurableStreamsOptions["authorize"];

  constructor(access: SurfaceAccess, options: DurableStreamsOptions) {
    const { prefix = "/", maxBodyBytes = 1_048_576, maxStreams = 10_000, retentionMs = MAX_TIMER_MS } = options;
    assertKeepsStreams(access.settings.broker);
    if (typeof (prefix as unknown) !== "string" || !prefix.startsWith("/") || !prefix.endsWith("/")) {
      throw new CometError("ERR_OPTION", "prefix must be a path that begins and ends with a slash, such as /streams/.");
    }
    this.#access = access;
    this.#prefix = prefix;
    this.#maxBodyBytes = assertInteger("maxBodyBytes", maxBodyBytes, 1, MAX);
    this.#registry = new (access.topics.hasBroker ? SharedRegistry : MemoryRegistry)(
      access,
      assertInteger("maxStreams", maxStreams, 1, MAX),
      assertInteger("retentionMs", retentionMs, 1, MAX_TIMER_MS),
    );
    this.#authorize = options.authorize === undefined ? undefined : assertFunction("authorize", options.authorize);
  }

  readonly fetch = (request: Request, ...platform: readonly unknown[]): Promise<Response> =>
    respond(
      request,
      this._decide(request, () => ({})),
      platform,
    );

  async _decide(
    request: RequestWithBody,
    optionsOf: () => RequestOptions | PromiseLike<RequestOptions>,
  ): Promise<Decision> {
    let options: RequestOptions = {};
    let screened: ScreenedRequest | undefined;
    try {
      options = await optionsOf();
      screened = this.#access.gate.screen(request, options);
    } catch (cause) {
      this.#access.settings.onError(cause);
      return this.#fail(request, failed(), {}, undefined);
    }
    try {
      if (request.method === "OPTIONS") return preflightAnswer(screened);
      assertRate(screened.waitMs);
      return await this.#answer(this.#callOf(request, options, screened));
    } catch (error) {
      return this.#fail(request, error, options, screened.crossOrigin);
    }
  }

  _report(error: unknown): void {
    this.#access.settings.onError(error);
  }

  #answer(call: StreamCall): Promise<Decision> {
    switch (call.request.method) {
      case "GET":
        return readStream(call);
      case "HEAD":
        return describeStream(call);
      case "PUT":
        return createStream(call);
      case "POST":
        return appendToStream(call);
      case "DELETE":
        return deleteStream(call);
      default:
        throw new CometError("ERR_METHOD", "The method must be GET, HEAD, PUT, POST, DELETE or OPTIONS.");
    }
  }

  #callOf(request: RequestWithBody, options: RequestOptions, screened: ScreenedRequest): StreamCall {
    if (request.url.length > MAX_URL_LENGTH) {
      throw new CometError("ERR_QUERY", `An address has at most ${MAX_URL_LENGTH} characters.`);
    }
    const url = new URL(request.url, "http://hub");
    const nameOf = (path: string): string => nameUnder(this.#prefix, path);
    return {
      access: this.#access,
      registry: this.#registry,
      maxBodyBytes: this.#maxBodyBytes,
      isPublic: this.#authorize === undefined && this.#access.settings.authorize === undefined,
      request,
      url,
      name: nameOf(url.pathname),
      options,
      screened,
      nameOf,
      authorize: async (name, action) => this.#ask(request, options, name, action),
    };
  }

  /** Asks the application. @throws {CometError} The refusal; a promise rejects with it. */
  #ask(
    request: RequestWithBody,
    options: RequestOptions,
    name: string,
    action: StreamAction,
  ): Grant | PromiseLike<Grant> {
    const { settings, capacity } = this.#access;
    if (capacity.isClosed) throw new CometError("ERR_CLOSED", "The server is shutting down.");
    const own = this.#authorize;
    const asked: HubSettings = {
      ...settings,
      authorize: own && ((asking, _, context) => own(asking, name, action, context)),
    };
    if (own === undefined && settings.authorize !== undefined && action !== "read") {
      throw new CometError("ERR_FORBIDDEN", "This server does not let clients write.");
    }
    return authorize(own === undefined ? settings : asked, request, [name], options.context);
  }

  /** Returns the answer to a request that is refused, or that has failed. */
  #fail(request: RequestWithBody, error: unknown, options: RequestOptions, crossOrigin: Headers | undefined): Decision {
    const isRefusal = error instanceof CometError && !mistakes.has(error.code);
    if (!isRefusal) this.#access.settings.onError(error);
    this.#access.counters.rejected += 1;
    const answer = problemAnswer(this.#access, isRefusal ? error : failed(), options, crossOrigin);
    return request.method === "HEAD" ? { ...answer, body: "" } : answer;
  }
}

/** @throws {CometError} `ERR_BROKER_CONFIG` if a broker cannot keep streams. */
function assertKeepsStreams(broker: Broker | undefined): void {
  if (broker === undefined || (broker.isDense && broker.finite !== undefined)) return;
  const why = "it must keep topics that end, and number their messages without gaps";
  throw new CometError("ERR_BROKER_CONFIG", `The broker ${describe(broker.name)} cannot keep streams: ${why}.`);
}

function failed(): CometError {
  return new CometError("ERR_HANDLER", "The server failed to answer this request.");
}
