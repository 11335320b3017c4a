import { CometError, type CometErrorCode } from "../../core/errors.ts";

/** The reason why a request is rejected, with a retry delay of its own. */
export class Rejection extends CometError {
  /** The retry delay in milliseconds, if the client is asked to retry. */
  readonly retryAfterMs: number | undefined;

  constructor(code: CometErrorCode, message: string, retryAfterMs: number | undefined) {
    super(code, message);
    this.retryAfterMs = retryAfterMs;
  }
}
