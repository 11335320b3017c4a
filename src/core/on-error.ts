import { CometError, type CometErrorCode } from "./errors.ts";
import { isPromiseLike } from "./promise.ts";

/** Handles an error that has no caller. It must not throw. */
export type OnError = (error: unknown) => void;

/** What a code says about a hub's failure, for the console. */
const failures: Partial<Record<CometErrorCode, string>> = {
  ERR_BROKER: "the broker failed",
  ERR_BROKER_CONFIG: "the broker's configuration is wrong",
  ERR_UNACKNOWLEDGED: "the broker did not acknowledge a message",
  ERR_RESPONSE: "a response could not be sent",
  ERR_TIMEOUT: "a callback of the application took too long",
};

/**
 * Returns the default error handler: it logs to the console, so that no error is lost.
 *
 * @param failure What failed, such as `a chunked response failed`. The code of a `CometError` names it more exactly.
 */
export function reportOnConsole(failure: string): OnError {
  return (error) => {
    const [known, code] = error instanceof CometError ? [failures[error.code], ` (${error.code})`] : [undefined, ""];
    // eslint-disable-next-line no-console -- the only place that logs
    console.error(`comet-sockets: ${known ?? failure}${code}:`, error);
  };
}

/** Returns a handler that never throws or rejects: it logs the errors of `onError`, and the error that it was given. */
export function guardOnError(onError: OnError): OnError {
  // A handler may be async all the same.
  const call: (error: unknown) => unknown = onError;
  return (error) => {
    const failed = (cause: unknown): void => {
      reportOnConsole("onError itself failed")(cause);
      reportOnConsole("the error that it was called with")(error);
    };
    try {
      const result = call(error);
      if (isPromiseLike(result)) result.then(undefined, failed);
    } catch (cause) {
      failed(cause);
    }
  };
}
