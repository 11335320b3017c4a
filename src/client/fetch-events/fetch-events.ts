import { nextTask } from "../next-task.ts";
import { EventStreamError, isTransient } from "./event-stream-error.ts";
import { EventStreamParser, type ServerEvent } from "./event-stream-parser.ts";
import { checkFetchEvents, type FetchEventsOptions, type FetchEventsSettings } from "./fetch-events-options.ts";
import { EventStreamRequest } from "./event-stream-request.ts";
import { pause } from "./pause.ts";

/** After this time the iteration lets the page handle input and render, in milliseconds. A task over 50 ms is a long one. */
const SLICE_MS = 8;

/**
 * Iterates over the events of any endpoint of Server-Sent Events, such as the API of a language model.
 *
 * It sends the request at the first call of `next`. It reads no further than the loop does, so a slow loop slows the
 * server down. To leave the loop aborts the request. A page that is hidden stays connected.
 *
 * A GET is repeated with `Last-Event-ID` whenever its connection ends or breaks, after a delay with backoff, as an
 * `EventSource` does. A 204 ends the iteration. Every other method is sent once, and the end of its stream ends the
 * iteration; with `maxRetries` it is repeated after a failure, but never once it has yielded events without an id.
 *
 * For a hub use `CometSource`, which also reports gaps and falls back to other wires.
 *
 * @throws {TypeError} with the code `ERR_URL` if the address is invalid, or neither http nor https; {CometError}
 *   `ERR_OPTION`. The iteration throws an {@link EventStreamError}; the signal's `reason` if it is aborted; and the
 *   errors of `onOpen` and `onRetry`.
 * @example
 * const request = { method: "POST", body: JSON.stringify({ prompt }), signal };
 * for await (const { data } of fetchEvents("/v1/answers", request)) append(data);
 */
export function fetchEvents<Data = string>(
  url: string | URL,
  options: FetchEventsOptions<Data> = {},
): AsyncGenerator<ServerEvent<Data>, void, undefined> {
  return follow(checkFetchEvents(url, options));
}

async function* follow<Data>(settings: FetchEventsSettings<Data>): AsyncGenerator<ServerEvent<Data>, void, undefined> {
  const { isGet, signal, maxRetries, maxEventLength, onOpen, onRetry } = settings;
  let parser: EventStreamParser | undefined;
  /** The number of requests since the last event. */
  let failures = 0;
  let hasEvents = false;
  for (;;) {
    parser = new EventStreamParser(maxEventLength, parser);
    const request = new EventStreamRequest(settings);
    try {
      const response = await request.open(parser.lastEventId);
      if (!response) return;
      await onOpen?.(response);
      let beganAt = performance.now();
      for (let text; (text = await request.read()) !== undefined;) {
        for (const event of parser.feed(text)) {
          failures = 0;
          hasEvents = true;
          yield { ...event, data: parsed(event.data, settings) };
          signal?.throwIfAborted();
          if (performance.now() - beganAt < SLICE_MS) continue;
          await nextTask();
          beganAt = performance.now();
        }
      }
      if (!isGet || maxRetries === 0) return;
      throw new EventStreamError("ERR_ENDED", "The server ended the stream.");
    } catch (error) {
      request.close();
      signal?.throwIfAborted();
      failures += 1;
      const isRepeatable = isGet || !hasEvents || parser.lastEventId !== "";
      if (!isTransient(error) || !isRepeatable || failures > maxRetries) throw error;
      const delayMs = retryDelay(settings, failures, Math.max(parser.retryMs, error.response?.retryAfterMs ?? 0));
      onRetry?.(error, delayMs);
      await pause(delayMs, signal);
    } finally {
      request.close();
    }
  }
}

function parsed<Data>(data: string, { parse }: FetchEventsSettings<Data>): Data {
  try {
    return parse(data);
  } catch (cause) {
    throw new EventStreamError("ERR_PARSE", `parse failed: ${String(cause)}`, { cause });
  }
}

/** The delay before a request: what the server asks for, and at least a random time from half the backoff to all of it. */
function retryDelay(
  { backoffMs, maxBackoffMs }: FetchEventsSettings<unknown>,
  failures: number,
  leastMs: number,
): number {
  const boundMs = Math.min(maxBackoffMs, backoffMs * 2 ** (failures - 1));
  return Math.max(leastMs, (boundMs / 2) * (1 + Math.random()));
}
