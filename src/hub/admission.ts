import { CometError, describe } from "../core/errors.ts";
import { andThen, isPromiseLike } from "../core/promise.ts";
import { addDefaultHeaders, checkInit } from "../http/init.ts";
import type { Wire } from "../wire/item.ts";
import { checkOverflow, type Authorization, type Settings, type SlowSubscriberPolicy } from "./options.ts";
import { refusal, type Refusal } from "./problem.ts";
import { askedStream, askedWire, queryOf, type Asked, type AskedWire, type HubRequest } from "./request.ts";

/** How one request is answered. */
export interface ConnectOptions {
  /** The topics to follow, instead of those that the request names. */
  readonly topics?: readonly string[];
  /** What becomes of this subscriber if it is too slow; the topic's policy by default. */
  readonly overflow?: SlowSubscriberPolicy;
  /** The `nonce` attribute of every script on the comet wire. */
  readonly nonce?: string;
  /** Headers to send, which replace those that are set by default. */
  readonly headers?: HeadersInit;
}

/** A request that is let in. */
export interface Admission {
  readonly status: 200;
  readonly headers: Headers;
  readonly wire: Wire;
  /** Whether only the head is wanted. */
  readonly headOnly: boolean;
  readonly asked: Asked;
  readonly overflow: SlowSubscriberPolicy | undefined;
}

/** What admission needs of a hub. */
export interface Gate {
  readonly settings: Settings;
  /** Whether the hub is going down. */
  readonly closing: boolean;
  /** When a client that is turned away may come back, in milliseconds. */
  readonly retryAfterMs: number;
  /** Whether one more connection may be opened. */
  hasRoom(): boolean;
  /** @throws {CometError} `ERR_TOPIC_UNKNOWN`. */
  assertTopic(name: string): void;
  /** Brings a topic to life. @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_LIMIT`. */
  wakeTopic(name: string): void;
}

/**
 * Decides on a request: PROTOCOL.md, sections 3, 4 and 7. What is refused has an answer of its own and no other effect.
 *
 * @throws {CometError} `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad `options`, which are the application's.
 */
export function admit(
  gate: Gate,
  request: HubRequest,
  options: ConnectOptions,
): Admission | Refusal | PromiseLike<Admission | Refusal> {
  const { headers } = checkInit({ ...(options.headers === undefined ? {} : { headers: options.headers }) });
  if (options.overflow !== undefined) checkOverflow(options.overflow);
  const crossOrigin = corsHeaders(gate.settings, request);
  if (request.method === "OPTIONS" && crossOrigin !== undefined) return preflight(crossOrigin);
  let wire: AskedWire | undefined;
  const refuse = (error: unknown): Refusal => {
    if (!(error instanceof CometError) || error.code === "ERR_NONCE") throw error;
    const refused = refusal(error, wire, gate.settings.isCallback, options.nonce, gate.retryAfterMs);
    const policy = headers.get("content-security-policy");
    if (policy !== null) refused.headers.set("content-security-policy", policy);
    crossOrigin?.forEach((value, name) => refused.headers.set(name, value));
    return request.method === "HEAD" ? { ...refused, body: "" } : refused;
  };
  try {
    if (request.method !== "GET" && request.method !== "HEAD") {
      throw new CometError("ERR_METHOD", `A stream is opened with GET, not ${describe(request.method)}.`);
    }
    const query = queryOf(request);
    wire = askedWire(request, query);
    const asked = askedStream(request, query, wire, gate.settings, options.topics, options.nonce);
    for (const topic of asked.topics) gate.assertTopic(topic);
    assertRoom(gate);
    const grant = (authorization: Authorization): Admission => {
      assertAllowed(authorization);
      assertRoom(gate);
      for (const topic of asked.topics) gate.wakeTopic(topic);
      crossOrigin?.forEach((value, name) => headers.set(name, value));
      headers.append("vary", "Accept, Sec-Fetch-Dest");
      if (!headers.has("content-type")) headers.set("content-type", asked.format.contentType);
      addDefaultHeaders(headers, undefined);
      const headOnly = request.method === "HEAD";
      return { status: 200, headers, wire: asked.format.wire, headOnly, asked, overflow: options.overflow };
    };
    const decided = andThen(authorization(gate.settings, request, asked.topics), grant);
    return isPromiseLike(decided) ? decided.then(undefined, refuse) : decided;
  } catch (error) {
    return refuse(error);
  }
}

function assertRoom(gate: Gate): void {
  if (gate.closing) throw new CometError("ERR_CLOSED", "This server is going down.");
  if (!gate.hasRoom()) throw new CometError("ERR_LIMIT", "There are too many connections.");
}

function assertAllowed(authorization: Authorization): void {
  if (authorization === true) return;
  if (authorization === 401) throw new CometError("ERR_UNAUTHORIZED", "Say who you are.");
  if (authorization === 404) throw new CometError("ERR_TOPIC_UNKNOWN", "There is no such topic.");
  throw new CometError("ERR_FORBIDDEN", "You may not follow these topics.");
}

/** Asks the application, for so long. Its errors are its own: the client is told only that there was one. */
function authorization(
  { authorize, authorizeTimeoutMs, onError }: Settings,
  request: HubRequest,
  topics: readonly string[],
): Authorization | PromiseLike<Authorization> {
  if (authorize === undefined) return true;
  const failed = (error: unknown): never => {
    onError(error);
    if (error instanceof Late) throw error;
    throw new CometError("ERR_AUTHORIZE", "The server could not decide whether you may follow these topics.");
  };
  const checked = (answer: unknown): Authorization =>
    isAuthorization(answer) ? answer : failed(new CometError("ERR_OPTION", badAnswer(answer)));
  let answer: Authorization | PromiseLike<Authorization>;
  try {
    answer = authorize(request, topics);
  } catch (error) {
    return failed(error);
  }
  return isPromiseLike(answer) ? inTime(answer, authorizeTimeoutMs).then(checked, failed) : checked(answer);
}

function badAnswer(answer: unknown): string {
  return `authorize must answer true, false, 401, 403 or 404, not ${describe(answer)}.`;
}

function isAuthorization(answer: unknown): answer is Authorization {
  return typeof answer === "boolean" || answer === 401 || answer === 403 || answer === 404;
}

/** That an application did not decide in time, which is not to be confused with what it might throw itself. */
class Late extends CometError {}

function inTime<T>(promise: PromiseLike<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Late("ERR_TIMEOUT", "The server did not decide in time whether you may follow these topics.")),
      ms,
    );
    promise.then(resolve, reject).then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  });
}

/** What a page of another origin is told, if it is one of those that may ask. */
function corsHeaders({ cors }: Settings, request: HubRequest): Headers | undefined {
  if (cors === undefined) return undefined;
  const headers = new Headers({ vary: "Origin" });
  const origin = request.headers.get("origin");
  if (origin === null || !cors.origins.has(origin)) return headers;
  headers.set("access-control-allow-origin", origin);
  if (cors.credentials) headers.set("access-control-allow-credentials", "true");
  headers.set("access-control-expose-headers", "Retry-After");
  return headers;
}

function preflight(crossOrigin: Headers): Refusal {
  const headers = new Headers(crossOrigin);
  if (headers.has("access-control-allow-origin")) {
    headers.set("access-control-allow-methods", "GET, HEAD");
    headers.set("access-control-allow-headers", "Authorization, Last-Event-ID");
    headers.set("access-control-max-age", "600");
  }
  return { status: 204, headers, body: "" };
}
