import { CometError, describe } from "../core/errors.ts";
import { andThen, isPromiseLike } from "../core/promise.ts";
import type { OnError } from "../core/on-error.ts";
import { addDefaultHeaders, checkInit } from "../http/init.ts";
import type { Wire } from "../wire/item.ts";
import type { Positions } from "../log/position.ts";
import type { HubRequest } from "./hub-request.ts";
import { isForDocument } from "./negotiate.ts";
import {
  checkOverflow,
  type Authorization,
  type Settings,
  type SlowSubscriberPolicy,
  type ConnectOptions,
} from "./options.ts";
import { refusal, type Refusal } from "./problem.ts";
import { askedMode, askedStream, askedWire, plainComet, queryOf, type Asked } from "./request.ts";

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
  isClosing(): boolean;
  /** When a client that is turned away may come back, in milliseconds. */
  retryAfterMs(): number;
  /** Whether one more connection may be opened. */
  hasRoom(): boolean;
  /** @throws {CometError} `ERR_TOPIC_UNKNOWN`; and what the application throws. */
  assertTopic(name: string): void;
  /**
   * Brings topics to life, all or none, and waits until they can tell where a client begins; nothing where nothing waits.
   *
   * @returns Rejects with `ERR_BROKER`.
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_LIMIT`; and what the application throws.
   */
  wakeTopics(names: readonly string[], position: Positions): Promise<void> | undefined;
}

/**
 * Decides on a request: PROTOCOL.md, sections 3, 4 and 7. One that is let in is given to `enter` in the same breath, so
 * that what was decided still holds. What is refused has an answer of its own and no other effect.
 *
 * @throws {CometError} `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad `options`, which are the application's.
 */
export function admit(
  gate: Gate,
  request: HubRequest,
  options: ConnectOptions,
  enter: (admission: Admission) => void,
): Refusal | undefined | PromiseLike<Refusal | undefined> {
  const { settings } = gate;
  const { headers } = checkInit({ ...(options.headers === undefined ? {} : { headers: options.headers }) });
  checkConnectOptions(options);
  const crossOrigin = corsHeaders(settings, request);
  if (request.method === "OPTIONS" && crossOrigin !== undefined) return preflight(crossOrigin);
  let wire = isForDocument(request.headers) ? plainComet : undefined;
  const refuse = (error: unknown): Refusal => {
    if (!(error instanceof CometError) || error.code === "ERR_NONCE") throw error;
    const refused = refusal(error, wire, settings, options.nonce, gate.retryAfterMs());
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
    wire = { ...plainComet, wire: askedWire(request, query) };
    wire = { ...wire, ...askedMode(query) };
    const asked = askedStream(request, query, wire, settings, options);
    decided(settings, () => asked.topics.forEach((topic) => gate.assertTopic(topic)));
    assertRoom(gate);
    const headOnly = request.method === "HEAD";
    const grant = (authorization: Authorization): undefined | Promise<undefined> => {
      assertAllowed(authorization);
      assertRoom(gate);
      const ready = headOnly ? undefined : decided(settings, () => gate.wakeTopics(asked.topics, asked.position));
      if (ready !== undefined) return ready.then(letIn);
      letIn();
      return undefined;
    };
    const letIn = (): undefined => {
      assertRoom(gate);
      crossOrigin?.forEach((value, name) => (name === "vary" ? headers.append(name, value) : headers.set(name, value)));
      headers.append("vary", "Accept, Sec-Fetch-Dest");
      if (!headers.has("content-type")) headers.set("content-type", asked.format.contentType);
      if (asked.policy !== undefined && !headers.has("content-security-policy")) {
        headers.set("content-security-policy", asked.policy);
      }
      addDefaultHeaders(headers, undefined);
      enter({ status: 200, headers, wire: asked.format.wire, headOnly, asked, overflow: options.overflow });
    };
    const done = andThen(authorization(settings, request, asked.topics), grant);
    return isPromiseLike(done) ? done.then(undefined, refuse) : done;
  } catch (error) {
    return refuse(error);
  }
}

/** @throws {CometError} `ERR_OPTION`. */
function checkConnectOptions({ topics, overflow }: ConnectOptions): void {
  if (overflow !== undefined) checkOverflow(overflow);
  const isList = Array.isArray(topics) && topics.length > 0 && topics.every((topic) => typeof topic === "string");
  if (topics !== undefined && !isList) {
    throw new CometError("ERR_OPTION", `topics must be a list of one or more names, not ${describe(topics)}.`);
  }
}

function assertRoom(gate: Gate): void {
  if (gate.isClosing()) throw new CometError("ERR_CLOSED", "This server is going down.");
  if (!gate.hasRoom()) throw new CometError("ERR_LIMIT", "There are too many connections.");
}

function assertAllowed(authorization: Authorization): void {
  if (authorization === true) return;
  if (authorization === 401) throw new CometError("ERR_UNAUTHORIZED", "Say who you are.");
  if (authorization === 404) throw new CometError("ERR_TOPIC_UNKNOWN", "There is no such topic.");
  throw new CometError("ERR_FORBIDDEN", "You may not follow these topics.");
}

/** What a client may know of the application's own errors: that there was one. The application is told the rest. */
function failure(onError: OnError, error: unknown): CometError {
  onError(error);
  if (error instanceof Late) return error;
  return new CometError("ERR_AUTHORIZE", "The server could not decide whether you may follow these topics.");
}

/** Asks the application about topics, whose errors there are its own. */
function decided<T>({ onError }: Settings, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    const isAnswer = error instanceof CometError && (error.code === "ERR_TOPIC_UNKNOWN" || error.code === "ERR_LIMIT");
    throw isAnswer ? error : failure(onError, error);
  }
}

/** Asks the application who may follow, for so long. */
function authorization(
  { authorize, authorizeTimeoutMs, onError }: Settings,
  request: HubRequest,
  topics: readonly string[],
): Authorization | PromiseLike<Authorization> {
  if (authorize === undefined) return true;
  const failed = (error: unknown): never => {
    throw failure(onError, error);
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
