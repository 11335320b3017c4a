/**
 * Calls the application's code that decides on a request, and keeps its errors apart from those of the client.
 *
 * Nothing that the application throws may reach the client: its errors go to `onError`, and the client learns only a
 * status. The codes in `passedOn` are the exceptions. Every answer except `true` refuses the request.
 */

import { CometError, describe } from "../../core/errors.ts";
import { isPromiseLike } from "../../core/promise.ts";
import type { Authorization, HubRequest, HubSettings } from "../hub-options.ts";

/**
 * The application did not decide in time. It has a class of its own, since the application may throw `ERR_TIMEOUT`
 * itself.
 */
class DecisionTimeout extends CometError {}

/**
 * Asks the application whether a client may follow topics.
 *
 * @returns Its answer, at once where `authorize` is synchronous. A promise rejects with the codes below.
 * @throws {CometError} `ERR_AUTHORIZE` if the application fails, after `onError` got its error; `ERR_TIMEOUT` after
 *   `authorizeTimeoutMs`.
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
  return isPromiseLike(answer)
    ? withTimeout(answer, settings.authorizeTimeoutMs).then(checked, failed)
    : checked(answer);
}

/**
 * Throws unless the application allows the request.
 *
 * @throws {CometError} `ERR_UNAUTHORIZED`, `ERR_TOPIC_UNKNOWN`, `ERR_FORBIDDEN`.
 */
export function assertAllowed(authorization: Authorization): void {
  if (authorization === true) return;
  if (authorization === 401) throw new CometError("ERR_UNAUTHORIZED", "Authentication is required.");
  if (authorization === 404) throw new CometError("ERR_TOPIC_UNKNOWN", "There is no such topic.");
  throw new CometError("ERR_FORBIDDEN", "This client is not allowed to follow these topics.");
}

/**
 * Runs a step that calls the application's code. The application's errors go to `onError`, and the client learns only
 * of a failure.
 *
 * @throws {CometError} `ERR_AUTHORIZE` for those errors; `ERR_TOPIC_UNKNOWN`, `ERR_LIMIT` and `ERR_CLOSED` unchanged.
 */
export function callApplication<T>(settings: HubSettings, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw error instanceof CometError && passedOn.has(error.code) ? error : failure(settings, error);
  }
}

const passedOn = new Set(["ERR_TOPIC_UNKNOWN", "ERR_LIMIT", "ERR_CLOSED"]);

function failure({ onError }: HubSettings, error: unknown): CometError {
  onError(error);
  if (error instanceof DecisionTimeout) return error;
  return new CometError("ERR_AUTHORIZE", "The server failed to authorize this request.");
}

function badAnswer(answer: unknown): string {
  return `authorize must return true, false, 401, 403 or 404, not ${describe(answer)}.`;
}

function isAuthorization(answer: unknown): answer is Authorization {
  return typeof answer === "boolean" || answer === 401 || answer === 403 || answer === 404;
}

function withTimeout<T>(promise: PromiseLike<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const message = "The server did not authorize this request in time.";
    const timer = setTimeout(() => reject(new DecisionTimeout("ERR_TIMEOUT", message)), ms);
    const cancel = (): void => clearTimeout(timer);
    promise.then(resolve, reject).then(cancel, cancel);
  });
}
