/**
 * Calls the application's code that decides on a request, and keeps its errors apart from those of the client.
 *
 * Nothing that the application throws may reach the client: its errors go to `onError`, and the client learns only a
 * status. The codes in `passedOn` are the exceptions. Every answer that is not one of `Authorization` refuses the
 * request, so that a misspelt member cannot allow more than was meant.
 */

import { CometError, describe } from "../../core/errors.ts";
import { assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { isPromiseLike } from "../../core/promise.ts";
import type { HubSettings } from "../hub-settings.ts";
import { checkIdentity, isListOfNames, type Authorization, type HubRequest } from "../request-options.ts";
import { checkExpiry } from "../subscription.ts";
import { Rejection } from "./rejection.ts";

/** The permission of a client. */
export interface Grant {
  /** The identity, if `authorize` gave one. */
  readonly identity: string | undefined;
  /** The topics that it may follow, in the order of the request: one or more. The rest are removed. */
  readonly topics: readonly string[];
  readonly removed: readonly string[];
  /** The time at which the permission ends, in milliseconds since 1970; `null` if it does not end. */
  readonly expiresAt: number | null;
}

/**
 * The application did not decide in time. It has a class of its own, since the application may throw `ERR_TIMEOUT`
 * itself.
 */
class DecisionTimeout extends CometError {}

/** The answers of `authorize` that are numbers, and those of them that refuse a request by `status`. */
const statuses: readonly unknown[] = [401, 403, 404, 429];
/** The retry delay in milliseconds of a client that `authorize` refuses with 429. */
const RETRY_AFTER_429_MS = 5000;

/**
 * Asks the application whether a client may follow topics.
 *
 * @returns Its permission, at once where `authorize` is synchronous. A promise rejects with the codes below.
 * @throws {CometError} `ERR_UNAUTHORIZED`, `ERR_FORBIDDEN`, `ERR_TOPIC_UNKNOWN` or `ERR_RATE` if the application refuses
 *   the request; `ERR_AUTHORIZE` if it fails, after `onError` got its error; `ERR_TIMEOUT` after `authorizeTimeoutMs`.
 */
export function authorize(
  settings: HubSettings,
  request: HubRequest,
  topics: readonly string[],
  context: unknown,
): Grant | PromiseLike<Grant> {
  if (settings.authorize === undefined) return fullGrant(topics);
  const failed = (error: unknown): never => {
    throw failure(settings, error);
  };
  const decided = (answer: unknown): Grant => {
    try {
      checkAnswer(answer, topics);
    } catch (error) {
      return failed(error);
    }
    return grantOf(answer, topics);
  };
  let answer: Authorization | PromiseLike<Authorization>;
  try {
    // A copy: the application may sort the list or empty it, as JavaScript permits.
    answer = settings.authorize(request, [...topics], context);
  } catch (error) {
    return failed(error);
  }
  return isPromiseLike(answer)
    ? withTimeout(answer, settings.authorizeTimeoutMs).then(decided, failed)
    : decided(answer);
}

/** Throws if a permission has ended. @throws {CometError} `ERR_UNAUTHORIZED`. */
export function assertNotExpired({ expiresAt }: Grant): void {
  if (expiresAt !== null && Date.now() >= expiresAt) {
    throw new CometError("ERR_UNAUTHORIZED", "The permission of this client has expired.");
  }
}

/**
 * Runs a step that calls the application's code. The application's errors go to `onError`, and the client learns only
 * of a failure.
 *
 * @throws {CometError} `ERR_AUTHORIZE` for those errors; `ERR_TOPIC_UNKNOWN`, `ERR_LIMIT` and `ERR_CLOSED` as they are.
 */
export function callApplication<T>(settings: HubSettings, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof CometError && passedOn.has(error.code))) throw failure(settings, error);
    // The same words as for a 404 of `authorize`: they must not tell a hidden topic from one that does not exist.
    throw error.code === "ERR_TOPIC_UNKNOWN" ? unknownTopic() : error;
  }
}

const passedOn = new Set(["ERR_TOPIC_UNKNOWN", "ERR_LIMIT", "ERR_CLOSED"]);

/** Returns the permission that a well-formed answer gives. @throws {CometError} The refusal, if it refuses. */
function grantOf(answer: Authorization, asked: readonly string[]): Grant {
  const given = typeof answer === "object" ? answer : { status: answer };
  if ("status" in given) {
    if (given.status !== true) throw refusalOf(given);
    return fullGrant(asked);
  }
  const { identity, topics = asked, expiresAt = null } = given;
  const isAllowed = (topic: string): boolean => topics.includes(topic);
  const grant = { identity, topics: asked.filter(isAllowed), removed: asked.filter((t) => !isAllowed(t)), expiresAt };
  if (grant.topics.length === 0) throw forbidden();
  assertNotExpired(grant);
  return grant;
}

/** Returns the permission to follow all topics, without an end. */
function fullGrant(topics: readonly string[]): Grant {
  return { identity: undefined, topics, removed: [], expiresAt: null };
}

function refusalOf({ status, retryAfterMs }: { status: boolean | number; retryAfterMs?: number }): CometError {
  switch (status) {
    case 401:
      return new Rejection("ERR_UNAUTHORIZED", "Authentication is required.", retryAfterMs);
    case 404:
      return unknownTopic(retryAfterMs);
    case 429:
      return new Rejection("ERR_RATE", "This client asks too often.", retryAfterMs ?? RETRY_AFTER_429_MS);
    default:
      return forbidden(retryAfterMs);
  }
}

function forbidden(retryAfterMs?: number): CometError {
  return new Rejection("ERR_FORBIDDEN", "This client is not allowed to follow these topics.", retryAfterMs);
}

function unknownTopic(retryAfterMs?: number): CometError {
  return new Rejection("ERR_TOPIC_UNKNOWN", "There is no such topic.", retryAfterMs);
}

/** Checks the answer of `authorize`. @throws {CometError} `ERR_OPTION`, which says what is wrong with it. */
function checkAnswer(answer: unknown, asked: readonly string[]): asserts answer is Authorization {
  if (typeof answer === "boolean" || statuses.includes(answer)) return;
  if (!isPlainObject(answer)) throw badAnswer(`not ${describe(answer)}`);
  const members = "status" in answer ? ["status", "retryAfterMs"] : ["identity", "topics", "expiresAt"];
  const other = Object.keys(answer).find((name) => !members.includes(name));
  if (other !== undefined) throw badAnswer(`not an object with the member ${other}`);
  const { status, retryAfterMs, identity, topics, expiresAt } = answer;
  if ("status" in answer && !statuses.includes(status)) throw badAnswer(`not the status ${describe(status)}`);
  if (retryAfterMs !== undefined) assertInteger("retryAfterMs", retryAfterMs, 0, MAX_TIMER_MS);
  checkIdentity(identity);
  // A member that is there without a value came of a failed lookup, and must not widen the permission.
  if ("expiresAt" in answer) checkExpiry(expiresAt);
  if (!("topics" in answer)) return;
  if (!isListOfNames(topics)) throw badAnswer(`and topics must be a list of names, not ${describe(topics)}`);
  const foreign = topics.find((topic) => !asked.includes(topic));
  if (foreign !== undefined) throw badAnswer(`and topics must be some of those asked for, not ${describe(foreign)}`);
}

function badAnswer(what: string): CometError {
  const answers = "true, false, 401, 403, 404, 429";
  const objects = "an object with identity, topics, expiresAt, or one with status, retryAfterMs";
  return new CometError("ERR_OPTION", `authorize must return ${answers}, ${objects}, ${what}.`);
}

/** Returns whether a value is an object of no class, so that a list, an error or a user cannot allow a request. */
function isPlainObject(value: unknown): value is { readonly [name: string]: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function failure({ onError }: HubSettings, error: unknown): CometError {
  onError(error);
  if (error instanceof DecisionTimeout) return error;
  return new CometError("ERR_AUTHORIZE", "The server failed to authorize this request.");
}

function withTimeout<T>(promise: PromiseLike<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const message = "The server did not authorize this request in time.";
    const timer = setTimeout(() => reject(new DecisionTimeout("ERR_TIMEOUT", message)), ms);
    const cancel = (): void => clearTimeout(timer);
    // Not every object with a method `then` returns a promise from it.
    Promise.resolve(promise).then(resolve, reject).then(cancel, cancel);
  });
}
