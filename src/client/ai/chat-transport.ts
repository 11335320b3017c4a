import { backoffDelay } from "../../core/backoff.ts";
import { assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { randomName } from "../../core/random-name.ts";
import { EventStreamRequest } from "../fetch-events/event-stream-request.ts";
import { checkFetchEvents, type FetchEventsSettings } from "../fetch-events/fetch-events-options.ts";
import { pause } from "../fetch-events/pause.ts";
import { answerChunks, failure, isLostConnection } from "./answer-reader.ts";

/** The bounds of the delays before a request is sent again, in milliseconds. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 5000;

/** A chat whose answer is resumed: the arguments of `reconnectToStream`. */
export interface ChatReconnection {
  /** The id of the chat, as `useChat` has it. */
  readonly chatId: string;
  /** When it aborts, the reader disconnects. The answer goes on. */
  readonly abortSignal?: AbortSignal | undefined;
  /** Headers of this request, which replace those of the options. */
  readonly headers?: Record<string, string> | Headers;
  /** More members of a question's body. */
  readonly body?: object;
  /** Anything for the option `body`. It is not sent. */
  readonly metadata?: unknown;
}

/** A question of `useChat`: the arguments of `sendMessages`. */
export interface ChatQuestion<Message> extends ChatReconnection {
  /** Whether the answer follows a new message, or replaces a former one. */
  readonly trigger: "submit-message" | "regenerate-message";
  /** The message to answer anew, with `regenerate-message`. */
  readonly messageId: string | undefined;
  /** The messages of the chat so far. */
  readonly messages: Message[];
  readonly abortSignal: AbortSignal | undefined;
}

/** Options of {@link CometChatTransport}. */
export interface CometChatTransportOptions<Message> {
  /** The URL that questions are posted to. @default "/api/chat" */
  readonly api?: string;
  /** Returns the URL of a chat's answer, for GET and DELETE. @default the URL `ID/stream` below `api` */
  readonly streamUrl?: (chatId: string) => string;
  /** Returns the body of a question. @default `{ id, messages, trigger, messageId }`, and the `body` of the question */
  readonly body?: (question: ChatQuestion<Message>) => object;
  /** Headers of every request, or a function that returns them, which is called for each request. */
  readonly headers?: HeadersInit | (() => HeadersInit | PromiseLike<HeadersInit>);
  /** The credentials of every request. @default "same-origin" */
  readonly credentials?: RequestCredentials;
  /** The function that sends the requests. @default globalThis.fetch */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /**
   * The time in milliseconds, from 0 to 2,147,483,647, after which a connection that cannot be repaired is an error.
   *
   * @default 30_000
   */
  readonly giveUpAfterMs?: number;
  /**
   * The time in milliseconds, from 0 to 2,147,483,647, without a byte after which a connection has broken; 0 disables it.
   * Keep it above the hub's `heartbeatMs`.
   *
   * @default 45_000
   */
  readonly idleTimeoutMs?: number;
}

/**
 * The transport of `useChat` of the AI SDK to answers of `comet-sockets/ai`.
 *
 * A connection that breaks is repaired where it broke: no token is lost or repeated, and `useChat` does not notice. A
 * question whose connection breaks before the answer is sent again, and the server does not answer it twice. `stop` of
 * `useChat` only disconnects, as it does when the component unmounts: the answer goes on. {@link stop} of the transport
 * stops the answer for all tabs.
 *
 * @throws {CometError} `ERR_OPTION`.
 * @example
 * ```tsx
 * const transport = new CometChatTransport();
 * const { messages, sendMessage } = useChat({ id, transport, resume: true });
 * <button onClick={() => transport.stop(id)}>Stop</button>;
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the types of messages and chunks are the SDK's.
export class CometChatTransport<Message = any> {
  /** A stream that is resumed has the whole answer, so `useChat` builds the message anew. */
  readonly resumeStreamIsReplay = true;
  readonly #options: CometChatTransportOptions<Message>;
  readonly #giveUpAfterMs: number;
  readonly #idleTimeoutMs: number;

  constructor(options: CometChatTransportOptions<Message> = {}) {
    this.#options = options;
    this.#giveUpAfterMs = assertInteger("giveUpAfterMs", options.giveUpAfterMs ?? 30_000, 0, MAX_TIMER_MS);
    this.#idleTimeoutMs = assertInteger("idleTimeoutMs", options.idleTimeoutMs ?? 45_000, 0, MAX_TIMER_MS);
  }

  /**
   * Sends a question. `useChat` calls it.
   *
   * @returns The chunks of the answer. Rejects if the server refuses the question, or cannot be reached.
   */

  async sendMessages(question: ChatQuestion<Message>): Promise<ReadableStream> {
    const { api = "/api/chat", body = bodyOf } = this.#options;
    const controller = linkedController(question.abortSignal);
    const headers = new Headers(question.headers);
    headers.set("content-type", "application/json");
    // By the key the server recognizes a question that is sent again.
    headers.set("idempotency-key", randomName(20));
    const settings = this.#settings(api, "POST", headers, controller.signal, JSON.stringify(body(question)));
    const request = await this.#opened(() => new EventStreamRequest(settings), controller.signal);
    if (request === undefined) throw new Error("The server has not answered.");
    return this.#stream(request, question, controller);
  }

  /**
   * Reads the answer of a chat from its beginning. `useChat` calls it with the option `resume`.
   *
   * @returns The chunks of the answer; `null` if the chat has none.
   */

  async reconnectToStream(chat: ChatReconnection): Promise<ReadableStream | null> {
    const controller = linkedController(chat.abortSignal);
    const request = await this.#opened(() => this.#request(chat, controller.signal), controller.signal);
    if (request === undefined) return null;
    return this.#stream(request, chat, controller);
  }

  /**
   * Stops the answer of a chat, for all readers in all tabs and processes.
   *
   * @returns Resolves when the answer has ended. Rejects if the server refuses that, or cannot be reached.
   */
  async stop(chatId: string): Promise<void> {
    const { url, init, headers, fetch } = this.#settings(this.#urlOf(chatId), "DELETE");
    const given = await (typeof headers === "function" ? headers() : headers);
    const response = await fetch(url, { ...init, ...(given === undefined ? {} : { headers: given }) });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  }

  #urlOf(chatId: string): string {
    const { api = "/api/chat", streamUrl } = this.#options;
    return streamUrl === undefined ? `${api}/${encodeURIComponent(chatId)}/stream` : streamUrl(chatId);
  }

  #settings(
    url: string,
    method: string,
    more?: Headers,
    signal?: AbortSignal,
    body?: string,
  ): FetchEventsSettings<unknown> {
    const { headers, credentials = "same-origin", fetch } = this.#options;
    const merged = (given: HeadersInit | undefined): Headers => {
      const all = new Headers(given);
      more?.forEach((value, name) => all.set(name, value));
      return all;
    };
    return checkFetchEvents<unknown>(url, {
      method,
      credentials,
      idleTimeoutMs: this.#idleTimeoutMs,
      headers: typeof headers === "function" ? async () => merged(await headers()) : merged(headers),
      ...(fetch === undefined ? {} : { fetch }),
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined ? {} : { body }),
    });
  }

  #request({ chatId, headers }: ChatReconnection, signal: AbortSignal): EventStreamRequest {
    const given = headers === undefined ? undefined : new Headers(headers);
    return new EventStreamRequest(this.#settings(this.#urlOf(chatId), "GET", given, signal));
  }

  /** Sends requests until one has a response. Returns the open request; `undefined` after a 204. */
  async #opened(make: () => EventStreamRequest, signal: AbortSignal): Promise<EventStreamRequest | undefined> {
    const giveUpAt = performance.now() + this.#giveUpAfterMs;
    for (let failures = 0; ; failures += 1) {
      const request = make();
      try {
        return (await request.open("")) === undefined ? undefined : request;
      } catch (error) {
        request.close();
        signal.throwIfAborted();
        if (!isLostConnection(error) || performance.now() >= giveUpAt) throw failure(error);
      }
      await pause(backoffDelay(failures, FIRST_DELAY_MS, MAX_DELAY_MS), signal);
    }
  }

  #stream(request: EventStreamRequest, chat: ChatReconnection, controller: AbortController): ReadableStream<unknown> {
    const chunks = answerChunks(request, {
      request: () => this.#request(chat, controller.signal),
      giveUpAfterMs: this.#giveUpAfterMs,
      signal: controller.signal,
    });
    return new ReadableStream<unknown>(
      {
        pull: async (stream) => {
          const { done, value } = await chunks.next();
          if (done === true) stream.close();
          else stream.enqueue(value);
        },
        cancel: async (reason) => {
          controller.abort(reason);
          await chunks.return().catch(() => undefined);
        },
      },
      { highWaterMark: 0 },
    );
  }
}

function bodyOf({ chatId, messages, trigger, messageId, body }: ChatQuestion<unknown>): object {
  return { ...body, id: chatId, messages, trigger, messageId };
}

/** Returns a controller that aborts with a signal. */
function linkedController(signal: AbortSignal | undefined): AbortController {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted === true) abort();
  else signal?.addEventListener("abort", abort, { once: true, signal: controller.signal });
  return controller;
}
