import { CometError, describe } from "../../core/errors.ts";
import { isPromiseLike } from "../../core/promise.ts";
import type { Authorization, HubRequest, HubSettings } from "../hub-options.ts";

/** The application did not decide in time: a class of its own, since the application may throw `ERR_TIMEOUT` itself. */
class DecisionTimeout extends CometError {}

/**
 * Asks the application whether a client may follow topics.
 *
 * @throws {CometError} `ERR_AUTHORIZE` if the application fails, which `onError` is told; `ERR_TIMEOUT` after `authorizeTimeoutMs`. A
 *   promise rejects with the same.
 */
export function authorize(
  settings: HubSettings,
  request: HubRequest,
  topics: readonly string[],
): Authorization | PromiseLike<Authorization> {
  if (settings.authorize === undefined) return true;
  const failed = (error: unknown): never => {
    throw failure(settings, error);
  };
  const checked = (answer: unknown): Authorization =>
    isAuthorization(answer) ? answer : failed(new CometError("ERR_OPTION", badAnswer(answer)));
  let answer: Authorization | PromiseLike<Authorization>;
  try {
    answer = settings.authorize(request, topics);
  } catch (error) {
    return failed(error);
  }
  return isPromiseLike(answer) ? inTime(answer, settings.authorizeTimeoutMs).then(checked, failed) : checked(answer);
}

/** @throws {CometError} `ERR_UNAUTHORIZED`, `ERR_TOPIC_UNKNOWN`, `ERR_FORBIDDEN` unless the application allows it. */
export function assertAllowed(authorization: Authorization): void {
  if (authorization === true) return;
  if (authorization === 401) throw new CometError("ERR_UNAUTHORIZED", "Say who you are.");
  if (authorization === 404) throw new CometError("ERR_TOPIC_UNKNOWN", "There is no such topic.");
  throw new CometError("ERR_FORBIDDEN", "You may not follow these topics.");
}

/**
 * Runs a decision in which the application takes part: its own errors go to `onError`, and the client learns only that it failed.
 *
 * @throws {CometError} `ERR_AUTHORIZE`; and `ERR_TOPIC_UNKNOWN`, `ERR_LIMIT` and `ERR_CLOSED` as they are.
 */
export function decideWith<T>(settings: HubSettings, decide: () => T): T {
  try {
    return decide();
  } catch (error) {
    throw error instanceof CometError && answers.has(error.code) ? error : failure(settings, error);
  }
}

const answers = new Set(["ERR_TOPIC_UNKNOWN", "ERR_LIMIT", "ERR_CLOSED"]);

function failure({ onError }: HubSettings, error: unknown): CometError {
  onError(error);
  if (error instanceof DecisionTimeout) return error;
  return new CometError("ERR_AUTHORIZE", "The server could not decide whether you may follow these topics.");
}

function badAnswer(answer: unknown): string {
  return `authorize must answer true, false, 401, 403 or 404, not ${describe(answer)}.`;
}

function isAuthorization(answer: unknown): answer is Authorization {
  return typeof answer === "boolean" || answer === 401 || answer === 403 || answer === 404;
}

function inTime<T>(promise: PromiseLike<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const message = "The server did not decide in time whether you may follow these topics.";
    const timer = setTimeout(() => reject(new DecisionTimeout("ERR_TIMEOUT", message)), ms);
    const stop = (): void => clearTimeout(timer);
    promise.then(resolve, reject).then(stop, stop);
  });
}
