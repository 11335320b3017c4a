import { backoffDelay } from "../../core/backoff.ts";
import { EventStreamError, isTransient } from "../fetch-events/event-stream-error.ts";
import { EventStreamParser } from "../fetch-events/event-stream-parser.ts";
import type { EventStreamRequest } from "../fetch-events/event-stream-request.ts";
import { pause } from "../fetch-events/pause.ts";

/** The longest chunk, in UTF-16 code units. */
const MAX_CHUNK = 1 << 24;
/** The bounds of the delays before a reconnection, in milliseconds. */
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 5000;
/** The time in milliseconds after which an open connection is sound, even if it has brought no chunk. */
const SOUND_MS = 1000;
/** The event by which the server asks for a reconnection. */
const RECONNECT = "comet:end";

/** The reading of one answer. */
export interface AnswerReading {
  /** Makes a request for the answer of the chat. It is not sent yet. */
  readonly request: () => EventStreamRequest;
  /** The time in milliseconds after which a connection that breaks again and again is no longer repaired. */
  readonly giveUpAfterMs: number;
  /** Aborts the reading. */
  readonly signal: AbortSignal;
}

/**
 * Yields the chunks of an answer, each once, from an open request and those that follow it.
 *
 * A connection that breaks is replaced by another one, which begins after the last chunk. A stream that ends without
 * `[DONE]` has broken.
 *
 * @param open A request whose stream is open.
 * @throws {TypeError} if the connection is lost, as `fetch` does; {Error} if the answer is gone, or reading is refused.
 */
export async function* answerChunks(open: EventStreamRequest, reading: AnswerReading): AsyncGenerator<unknown, void> {
  const { signal } = reading;
  let request = open;
  let parser = new EventStreamParser(MAX_CHUNK);
  /** The time since which the connection is sound, and the number of breaks since it was. */
  let soundAt = performance.now();
  let openedAt = soundAt;
  let breaks = 0;
  /** The position up to the offset, as the stream's first event gives it, and the beginning of the stream's text. */
  let prefix = "";
  let beginning: string | undefined = "";
  let hasChunk = false;
  try {
    for (;;) {
      let isAsked = false;
      try {
        for (let text; (text = await request.read()) !== undefined;) {
          if (beginning !== undefined) {
            beginning += text;
            prefix = /^id: (\S+=\w+\.)\d+\n\n/.exec(beginning)?.[1] ?? prefix;
            if (beginning.includes("\n\n")) beginning = undefined;
          }
          for (const { type, data } of parser.feed(text)) {
            if (data === "[DONE]") return;
            isAsked = type === RECONNECT;
            if (isAsked) throw new EventStreamError("ERR_ENDED", "The server asks for a reconnection.");
            breaks = 0;
            hasChunk = true;
            yield JSON.parse(data);
          }
        }
        throw new EventStreamError("ERR_ENDED", "The stream has ended before the answer.");
      } catch (error) {
        request.close();
        signal.throwIfAborted();
        const brokenAt = performance.now();
        if (brokenAt - openedAt >= SOUND_MS) breaks = 0;
        if (breaks === 0) soundAt = brokenAt;
        const isHopeless = breaks > 0 && brokenAt >= soundAt + reading.giveUpAfterMs;
        // Without a position only an answer that has brought nothing can be read from its beginning.
        const isLost = prefix === "" && hasChunk;
        if (!isTransient(error) || isLost || isHopeless) throw failure(error);
      }
      const { lastEventId } = parser;
      const backoffMs = isAsked && breaks === 0 ? 0 : backoffDelay(breaks, FIRST_DELAY_MS, MAX_DELAY_MS);
      const firstDelayMs = isAsked ? Math.max(parser.retryMs, backoffMs) : backoffMs;
      breaks += 1;
      const position = lastEventId.includes("=") ? lastEventId : prefix + lastEventId;
      request = await reopened(reading, position, firstDelayMs, soundAt + reading.giveUpAfterMs);
      openedAt = performance.now();
      parser = new EventStreamParser(MAX_CHUNK, parser);
      beginning = "";
    }
  } finally {
    request.close();
  }
}

/** Sends requests until one opens the rest of an answer. @param giveUpAt The time of the last one, as `performance.now`. */
async function reopened(
  { request: make, signal }: AnswerReading,
  position: string,
  firstDelayMs: number,
  giveUpAt: number,
): Promise<EventStreamRequest> {
  let delayMs = firstDelayMs;
  for (let failures = 1; ; failures += 1) {
    await pause(delayMs, signal);
    const request = make();
    try {
      if ((await request.open(position)) !== undefined) return request;
      throw new Error("The rest of this answer is no longer kept.");
    } catch (error) {
      request.close();
      signal.throwIfAborted();
      if (!isTransient(error) || performance.now() >= giveUpAt) throw failure(error);
      const backoffMs = backoffDelay(failures, FIRST_DELAY_MS, MAX_DELAY_MS);
      delayMs = Math.max(backoffMs, error.response?.retryAfterMs ?? 0);
    }
  }
}

/** Whether an error is that of a lost connection. */
export function isLostConnection(error: unknown): boolean {
  return error instanceof EventStreamError && ["ERR_NETWORK", "ERR_SILENT", "ERR_ENDED"].includes(error.code);
}

/** Returns an error as the AI SDK knows it: a lost connection is the `TypeError` of `fetch`, which it may resume from. */
export function failure(error: unknown): unknown {
  if (!isLostConnection(error)) return error;
  return new TypeError(`network error: ${(error as Error).message}`, { cause: error });
}
