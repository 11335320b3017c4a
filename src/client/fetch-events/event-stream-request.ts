import { MAX_TIMER_MS } from "../../core/options.ts";
import { EventStreamError, type EventStreamErrorCode, type FailedResponse } from "./event-stream-error.ts";
import type { FetchEventsSettings } from "./fetch-events-options.ts";

/** The part of a failed response that is read, in UTF-16 code units, and the time that it may take. */
const MAX_BODY = 1 << 16;
const BODY_MS = 5000;

/** One request of `fetchEvents`, and the stream of its response. Every error that it throws is an `EventStreamError`. */
export class EventStreamRequest {
  readonly #settings: FetchEventsSettings<unknown>;
  readonly #controller = new AbortController();
  readonly #decoder = new TextDecoder();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #abort = (): void => this.#controller.abort(this.#settings.signal?.reason);

  constructor(settings: FetchEventsSettings<unknown>) {
    this.#settings = settings;
    settings.signal?.addEventListener("abort", this.#abort);
    if (settings.signal?.aborted) this.#abort();
  }

  /**
   * Sends the request.
   *
   * @returns The response; `undefined` after a 204, by which a server asks its clients not to reconnect.
   */
  async open(lastEventId: string): Promise<Response | undefined> {
    let response = await this.#send(lastEventId);
    // The function may return a newer token. The server has not processed the request, so any method may be repeated.
    if (response.status === 401 && typeof this.#settings.headers === "function") {
      await response.body?.cancel();
      response = await this.#send(lastEventId);
    }
    const { status, headers, body } = response;
    if (status === 204) return undefined;
    const type = headers.get("content-type") ?? "";
    if (status !== 200) throw await this.#refused("ERR_STATUS", `The server answered ${status}.`, response);
    if (!/^text\/event-stream\s*(?:;|$)/i.test(type))
      throw await this.#refused("ERR_CONTENT_TYPE", `No event stream, but "${type}".`, response);
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- React Native has no streams.
    if (body === undefined) throw new EventStreamError("ERR_BODY", "fetch cannot stream a response on this platform.");
    this.#reader = body?.getReader();
    return response;
  }

  /** Reads the next piece of text, which may be empty; `undefined` at the end of the stream. */
  async read(): Promise<string | undefined> {
    const result = await this.#within(() => this.#reader?.read());
    return result?.value && this.#decoder.decode(result.value, { stream: true });
  }

  /** Aborts the request, unless it is over. It is idempotent. */
  close(): void {
    this.#settings.signal?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }

  async #send(lastEventId: string): Promise<Response> {
    const { url, init, headers, fetch } = this.#settings;
    const given = async (): Promise<Headers> =>
      new Headers(await (typeof headers === "function" ? headers() : headers));
    const all = await attempt("ERR_HEADERS", given);
    if (!all.has("accept")) all.set("accept", "text/event-stream");
    if (lastEventId) all.set("last-event-id", headerValue(lastEventId));
    return await this.#within(() => fetch(url, { ...init, headers: all, signal: this.#controller.signal }));
  }

  /** Awaits a step, and aborts the request with an `ERR_SILENT` if it takes longer than the idle timeout. */
  async #within<Result>(step: () => Promise<Result>): Promise<Result>;
  async #within<Result>(step: () => Promise<Result> | undefined): Promise<Result | undefined>;
  async #within<Result>(step: () => Promise<Result> | undefined): Promise<Result | undefined> {
    const { idleTimeoutMs } = this.#settings;
    const silent = (): void =>
      this.#controller.abort(new EventStreamError("ERR_SILENT", `Silent for ${idleTimeoutMs} ms.`));
    const timer = idleTimeoutMs > 0 ? setTimeout(silent, idleTimeoutMs) : undefined;
    try {
      return await attempt("ERR_NETWORK", async () => step());
    } finally {
      clearTimeout(timer);
    }
  }

  async #refused(code: EventStreamErrorCode, message: string, response: Response): Promise<EventStreamError> {
    const later = response.headers.get("retry-after") ?? "";
    const retryAfterMs = Math.max(0, Number(later) * 1000 || Date.parse(later) - Date.now() || 0);
    const failed: FailedResponse = {
      status: response.status,
      body: await this.#bodyOf(response),
      retryAfterMs: Math.min(retryAfterMs, MAX_TIMER_MS),
    };
    return new EventStreamError(code, message, {}, failed);
  }

  /** The text of a body, as far as it arrives in time. A page of a proxy may have no end. */
  async #bodyOf({ body }: Response): Promise<string> {
    const timer = setTimeout(() => this.#controller.abort(), BODY_MS);
    let text = "";
    try {
      const reader = body?.getReader();
      for (let piece; text.length < MAX_BODY && (piece = await reader?.read()) && piece.value;)
        text += this.#decoder.decode(piece.value, { stream: true });
    } catch {
      // The text so far is better than none.
    }
    clearTimeout(timer);
    return text.slice(0, MAX_BODY);
  }
}

/** Runs a step, and wraps its error unless it has a code already. */
async function attempt<Result>(code: EventStreamErrorCode, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof EventStreamError) throw error;
    throw new EventStreamError(code, String(error), { cause: error });
  }
}

/** An id as the value of a header: its bytes in UTF-8, each as one character, as an `EventSource` sends it. */
function headerValue(id: string): string {
  return Array.from(new TextEncoder().encode(id), (byte) => String.fromCharCode(byte)).join("");
}
