import { CometError, type CometErrorCode } from "../../core/errors.ts";

/** The reason why a request is refused, with headers that the protocol demands. */
export class StreamProblem extends CometError {
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: CometErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.headers = headers;
  }
}

export function noStream(): StreamProblem {
  return new StreamProblem("ERR_TOPIC_UNKNOWN", "There is no such stream.");
}

export function deletedStream(): StreamProblem {
  return new StreamProblem("ERR_TOPIC_EXPIRED", "The stream is deleted.");
}

export function trimmedOffset(): StreamProblem {
  const why = "The messages after this offset are no longer kept, or are of a stream that was deleted.";
  return new StreamProblem("ERR_TOPIC_EXPIRED", why);
}
