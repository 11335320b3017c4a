import { CometError, describe } from "../../core/errors.ts";
import { assertFunction, assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import type { HeadersOption } from "../wires/with-headers.ts";
import type { EventStreamError } from "./event-stream-error.ts";

/** The longest event that an option may allow, in UTF-16 code units: half of the longest string of V8. */
const MAX_EVENT_LENGTH = 1 << 28;

/**
 * Options of `fetchEvents`: those of `fetch`, such as `method`, `body`, `signal` and `credentials`, and its own. A wrong
 * one is an `ERR_OPTION`.
 */
export interface FetchEventsOptions<Data = string> extends Omit<RequestInit, "headers"> {
  /**
   * Headers of every request, or a function that returns them; it is called before each request, and once more after a
   * 401. `Accept` is `text/event-stream` unless they have another.
   */
  readonly headers?: HeadersOption;
  /** The function that sends the requests. It is called with an absolute address. @default globalThis.fetch */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /**
   * Converts the text of each event's `data`, such as `JSON.parse`. An error in it is an `ERR_PARSE`.
   * @default the text itself
   */
  readonly parse?: (data: string) => Data;
  /**
   * Called with each response that is an event stream, before its first event is read. An error in it ends the
   * iteration with that error.
   */
  readonly onOpen?: (response: Response) => unknown;
  /**
   * Called before each wait for a further request, with the failure and the delay in milliseconds. An error in it ends
   * the iteration with that error.
   */
  readonly onRetry?: (error: EventStreamError, delayMs: number) => void;
  /**
   * The number of requests in a row that may fail, or end without an event, before the iteration throws; from 0. With 0
   * there is one request.
   * @default Infinity for GET, 0 for every other method
   */
  readonly maxRetries?: number;
  /** The bound of the first delay before a retry, in milliseconds, from 0 to 2,147,483,647; each failure doubles it. @default 1000 */
  readonly backoffMs?: number;
  /** The bound of every delay that the server does not ask for, in milliseconds, from 0 to 2,147,483,647. @default 30000 */
  readonly maxBackoffMs?: number;
  /**
   * The time without a byte after which a connection is broken (`ERR_SILENT`), in milliseconds, from 0 to 2,147,483,647; 0
   * disables it. Comments count, so a server that sends one every 15 s allows 30000.
   * @default 0
   */
  readonly idleTimeoutMs?: number;
  /** The longest event, in UTF-16 code units, from 1 to 268,435,456. A longer one is an `ERR_FRAME`. @default 16777216 */
  readonly maxEventLength?: number;
}

/** The options of `fetchEvents`, checked and complete. */
export interface FetchEventsSettings<Data> {
  readonly url: string;
  /** The options of `fetch`, without `headers` and `signal`. */
  readonly init: RequestInit;
  readonly isGet: boolean;
  readonly signal: AbortSignal | null | undefined;
  readonly headers: HeadersOption | undefined;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly parse: (data: string) => Data;
  readonly onOpen: ((response: Response) => unknown) | undefined;
  readonly onRetry: ((error: EventStreamError, delayMs: number) => void) | undefined;
  readonly maxRetries: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly idleTimeoutMs: number;
  readonly maxEventLength: number;
}

/**
 * Checks the arguments of `fetchEvents`.
 *
 * @throws {TypeError} with the code `ERR_URL` if the address is invalid, or neither http nor https; {CometError}
 *   `ERR_OPTION`.
 */
export function checkFetchEvents<Data>(
  url: string | URL,
  options: FetchEventsOptions<Data>,
): FetchEventsSettings<Data> {
  const {
    headers,
    signal,
    fetch: send = (address: string, request: RequestInit) => fetch(address, request),
    parse = (data) => data as Data,
    onOpen,
    onRetry,
    maxRetries,
    backoffMs = 1000,
    maxBackoffMs = 30_000,
    idleTimeoutMs = 0,
    maxEventLength = 1 << 24,
    ...init
  } = options;
  const method = (init.method ?? "GET").toUpperCase();
  const isGet = method === "GET";
  const retries = maxRetries ?? (isGet ? Infinity : 0);
  if (retries !== Infinity) assertInteger("maxRetries", retries, 0, Number.MAX_SAFE_INTEGER);
  if (retries > 0 && init.body instanceof ReadableStream)
    throw new CometError("ERR_OPTION", "maxRetries must be 0 with a stream as the body, which can be sent only once.");
  for (const [name, value] of Object.entries({ backoffMs, maxBackoffMs, idleTimeoutMs }))
    assertInteger(name, value, 0, MAX_TIMER_MS);
  for (const [name, value] of Object.entries({ fetch: send, parse, onOpen, onRetry }))
    if (value !== undefined) assertFunction(name, value);
  const address = absoluteAddress(url);
  checkRequest(address, { ...init, method }, headers, signal);
  return {
    url: address,
    init: { cache: "no-store", ...init, method },
    isGet,
    signal,
    headers,
    fetch: send,
    parse,
    onOpen,
    onRetry,
    maxRetries: retries,
    backoffMs,
    maxBackoffMs,
    idleTimeoutMs,
    maxEventLength: assertInteger("maxEventLength", maxEventLength, 1, MAX_EVENT_LENGTH),
  };
}

/** Resolves an address as the page does. User and password are removed, since `fetch` refuses them. */
function absoluteAddress(url: string | URL): string {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- workers have no document, and Node has no location.
  const address = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
  if (!/^https?:$/.test(address.protocol)) throw Object.assign(new TypeError(`No http: ${url}`), { code: "ERR_URL" });
  address.username = address.password = "";
  return address.href;
}

/** Checks what `fetch` would refuse with the same error as a lost connection, which would be retried. */
function checkRequest(
  address: string,
  init: RequestInit,
  headers: HeadersOption | undefined,
  signal: AbortSignal | null | undefined,
): void {
  if (signal && !(signal instanceof AbortSignal))
    throw new CometError("ERR_OPTION", `signal must be an AbortSignal, not ${describe(signal)}.`);
  try {
    // The body itself is not touched: a stream can be read only once.
    const { body, ...rest } = init;
    new Request(address, { ...rest, ...((body ?? undefined) !== undefined && { body: "" }) });
    new Headers(typeof headers === "function" ? undefined : headers);
  } catch (error) {
    throw new CometError("ERR_OPTION", `fetch takes no such options: ${(error as Error).message}`, { cause: error });
  }
}
