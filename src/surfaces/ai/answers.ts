import { assertFunction, assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { randomName } from "../../core/random-name.ts";
import { checkField } from "../../core/validate-field.ts";
import type { Endpoint } from "../../hub/endpoint.ts";
import { fetchHandler, type Hub } from "../../hub/hub.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { surfaceAccess, type SurfaceAccess } from "../../hub/surface-access.ts";
import type { Source } from "../../stream/index.ts";
import type { JsonValue } from "../../wire/json.ts";
import { AnswerEndpoint } from "./answer-endpoint.ts";
import { answerSource, type AnswerChunk } from "./answer-source.ts";
import { beginAnew } from "./begin-anew.ts";

/** Options of {@link Answers}. */
export interface AnswerOptions {
  /**
   * With a broker, the time in milliseconds, from 1000 to 3,600,000, after which a process that cannot renew its lease
   * has lost its answers: they end as failed for every reader.
   *
   * @default 10_000
   */
  readonly leaseMs?: number;
  /**
   * The time in milliseconds, from 1 to 2,147,483,647, that an answer is kept after its end. Only where the hub's `topics`
   * answers `true`.
   *
   * @default what the hub's `topics` says, or its `log.maxAgeMs`
   */
  readonly ttlMs?: number;
}

/**
 * Starts the model, and returns its answer as a stream of UI message chunks. The signal aborts when the answer is
 * stopped: pass it on as `abortSignal`.
 */
export type ProduceAnswer = (signal: AbortSignal) => Source<AnswerChunk> | PromiseLike<Source<AnswerChunk>>;

/** An answer that begins in this process. */
interface Beginning {
  readonly id: string;
  readonly begun: Promise<void>;
}

/**
 * The answers of language models, in the UI message stream protocol of the AI SDK: each is produced once, and read and
 * stopped from any number of tabs and processes.
 *
 * A topic holds one answer at a time: usually the topic is a chat, and each question begins the topic anew. The hub's
 * `authorize` decides on every request, with its method and the topic's name; its limits and heartbeats apply.
 *
 * @throws {CometError} `ERR_OPTION` for bad arguments.
 * @example
 * ```ts
 * const hub = new Hub({ topics: (name) => name.startsWith("chat:") && answerTopic });
 * const answers = new Answers(hub);
 * app.post("/api/chat", async ({ req }) => {
 *   const { id, messages } = await req.json();
 *   const prompt = await convertToModelMessages(messages);
 *   return answers.start(req.raw, `chat:${id}`, (abortSignal) =>
 *     toUIMessageStream({ stream: streamText({ model, messages: prompt, abortSignal }).stream }));
 * });
 * app.all("/api/chat/:id/stream", ({ req }) => answers.fetch(req.raw, `chat:${req.param("id")}`));
 * ```
 */
export class Answers {
  readonly #hub: Hub;
  readonly #access: SurfaceAccess;
  readonly #options: AnswerOptions;
  readonly #beginnings = new Map<string, Beginning>();

  constructor(hub: Hub, options: AnswerOptions = {}) {
    this.#access = surfaceAccess(hub);
    const { leaseMs, ttlMs } = options;
    if (leaseMs !== undefined) assertInteger("leaseMs", leaseMs, 1000, 3_600_000);
    if (ttlMs !== undefined) assertInteger("ttlMs", ttlMs, 1, MAX_TIMER_MS);
    this.#hub = hub;
    this.#options = options;
  }

  /**
   * Returns the endpoint of a topic's answer, for `nodeHandler` or `fetchHandler`. Make one for each request: it costs nothing.
   *
   * - POST starts an answer where `produce` is given, and responds with its stream from the beginning.
   * - GET responds with the whole answer, or with the rest of it after the position in `Last-Event-ID`; with 204 if there
   *   is none. An answer that has ended is there for the topic's `ttlMs`.
   * - DELETE stops the answer for all readers, and responds with 204.
   * - Another method is refused with 405.
   *
   * `produce` is called once the hub's `authorize` has allowed the request. It stops an answer that this topic has, and
   * replaces it. The answer goes on if the client disconnects. A request with the header `Idempotency-Key` that was sent
   * before joins its answer instead: `CometChatTransport` repeats a request that way when its connection breaks.
   *
   * An error of `produce` or of its stream ends the answer as failed: readers get an `error` chunk with a fixed text, and
   * the error goes to the hub's `onError`. If the process dies, so does its answer: readers of all processes get an `error`
   * chunk within `leaseMs`.
   *
   * @param name The topic: 1 to 200 characters.
   * @param produce Starts the model. @default no request starts an answer
   * @throws {CometError} `ERR_OPTION` for a bad `produce`.
   * @example
   * ```ts
   * app.post("/api/chat", express.json(), (request, response) => {
   *   const { id, messages } = request.body;
   *   return nodeHandler(answers.endpoint(`chat:${id}`, (signal) => produce(messages, signal)))(request, response);
   * });
   * ```
   */
  endpoint(name: string, produce?: ProduceAnswer): Endpoint {
    if (produce !== undefined) assertFunction("The producer of an answer", produce);
    return new AnswerEndpoint(this.#access, name, {
      start: produce && ((key) => this.#start(name, key, produce)),
      exists: async () => {
        const topic = this.#access.produced.find(name);
        await topic.refresh();
        return topic.hasBegun;
      },
      stop: () => this.#hub.stop(name),
    });
  }

  /**
   * Responds to a web-standard request as `endpoint(name, produce)` does: POST starts an answer.
   *
   * @param name The topic: 1 to 200 characters.
   * @param options Options of the request, as for `fetchHandler`.
   * @param platform Further arguments of the handler: Bun's and Deno's second argument.
   * @returns The response. Never rejects.
   * @throws {CometError} `ERR_OPTION` for a bad `produce`.
   */
  start(
    request: Request,
    name: string,
    produce: ProduceAnswer,
    options: RequestOptions = {},
    ...platform: readonly unknown[]
  ): Promise<Response> {
    assertFunction("The producer of an answer", produce);
    return fetchHandler(this.endpoint(name, produce), options)(request, ...platform);
  }

  /** Responds to a web-standard request as `endpoint(name)` does. Parameters and result are those of {@link start}. */
  fetch(
    request: Request,
    name: string,
    options: RequestOptions = {},
    ...platform: readonly unknown[]
  ): Promise<Response> {
    return fetchHandler(this.endpoint(name), options)(request, ...platform);
  }

  /** Starts an answer, unless the topic has the answer of this key. Resolves when its stream can be read. */
  async #start(name: string, key: string | null, produce: ProduceAnswer): Promise<void> {
    const id = checkField("The header Idempotency-Key", key ?? randomName(20), "ERR_PARAMETER") as string;
    const current = this.#beginnings.get(name);
    if (current?.id === id) return current.begun;
    const begun = this.#beginOnce(name, id, key !== null, produce);
    const beginning = { id, begun };
    this.#beginnings.set(name, beginning);
    try {
      await begun;
    } finally {
      if (this.#beginnings.get(name) === beginning) this.#beginnings.delete(name);
    }
  }

  async #beginOnce(name: string, id: string, mayJoin: boolean, produce: ProduceAnswer): Promise<void> {
    if (mayJoin && (await this.#idOf(name)) === id) return;
    const source = (signal: AbortSignal): Source<JsonValue> =>
      answerSource(id, () => produce(signal)) as Source<AnswerChunk & JsonValue>;
    await beginAnew(this.#hub, name, source, this.#options);
  }

  /** Returns the id of the answer that a topic has; `undefined` if it has none. */
  async #idOf(name: string): Promise<string | undefined> {
    const topic = this.#access.produced.find(name);
    await topic.refresh();
    if (!topic.hasBegun) return undefined;
    try {
      for await (const { data } of this.#hub.topic(name).messages({ from: "oldest" })) {
        return typeof data === "string" ? data : undefined;
      }
    } catch {
      // The answer has failed before its first message, or its beginning is no longer kept.
    }
    return undefined;
  }
}
