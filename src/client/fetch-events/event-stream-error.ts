/**
 * The codes of an {@link EventStreamError}. A code never changes its meaning; messages may.
 *
 * | code | cause | retried |
 * | --- | --- | --- |
 * | `ERR_NETWORK` | the connection broke or could not be opened; `cause` is the error of `fetch` | yes |
 * | `ERR_SILENT` | nothing arrived within `idleTimeoutMs` | yes |
 * | `ERR_ENDED` | the server ended a stream that is to be reopened | yes |
 * | `ERR_HEADERS` | the function `headers` failed; `cause` is its error | yes |
 * | `ERR_STATUS` | the response has another status than 200 and 204 | 408, 425, 429 and 5xx |
 * | `ERR_CONTENT_TYPE` | the response is no `text/event-stream` | no |
 * | `ERR_BODY` | this platform's `fetch` cannot stream a response, as that of React Native | no |
 * | `ERR_FRAME` | an event is longer than `maxEventLength` | no |
 * | `ERR_PARSE` | the function `parse` failed; `cause` is its error | no |
 */
export type EventStreamErrorCode =
  | "ERR_NETWORK"
  | "ERR_SILENT"
  | "ERR_ENDED"
  | "ERR_HEADERS"
  | "ERR_STATUS"
  | "ERR_CONTENT_TYPE"
  | "ERR_BODY"
  | "ERR_FRAME"
  | "ERR_PARSE";

/** The response that an {@link EventStreamError} reports. */
export interface FailedResponse {
  readonly status: number;
  /** The first 65,536 characters of the body, as far as they arrived within 5 s. */
  readonly body: string;
  /** The delay that `Retry-After` asks for, in milliseconds; 0 without it. */
  readonly retryAfterMs: number;
}

/** The error of `fetchEvents`: why a request failed, or why a stream broke. */
export class EventStreamError extends Error {
  override readonly name = "EventStreamError";
  readonly code: EventStreamErrorCode;
  /** The response, for `ERR_STATUS` and `ERR_CONTENT_TYPE`. */
  readonly response: FailedResponse | undefined;

  constructor(code: EventStreamErrorCode, message: string, options: ErrorOptions = {}, response?: FailedResponse) {
    super(message, options);
    this.code = code;
    this.response = response;
  }
}

/** The codes of failures that a further request may not have. */
const transient: readonly EventStreamErrorCode[] = ["ERR_NETWORK", "ERR_SILENT", "ERR_ENDED", "ERR_HEADERS"];

/** Whether a further request may succeed. */
export function isTransient(error: unknown): error is EventStreamError {
  if (!(error instanceof EventStreamError)) return false;
  const { code, response } = error;
  return transient.includes(code) || (code === "ERR_STATUS" && /^(408|425|429|5..)$/.test(String(response?.status)));
}
