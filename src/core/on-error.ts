/** Handles an error that has no caller. It must not throw. */
export type OnError = (error: unknown) => void;

/**
 * Returns the default error handler: it logs to the console, so that no error is lost.
 *
 * @param failure What failed, such as `a chunked response failed`.
 */
export function reportOnConsole(failure: string): (...errors: unknown[]) => void {
  // eslint-disable-next-line no-console -- the only place that logs
  return (...errors) => console.error(`comet-sockets: ${failure}:`, ...errors);
}

/** Returns a handler that never throws or rejects: it logs an error of `onError`, and the error that it was given. */
export function guardOnError(onError: OnError): OnError {
  // A handler may be async all the same.
  const call: (error: unknown) => unknown = onError;
  const guarded = async (error: unknown): Promise<void> => {
    try {
      await call(error);
    } catch (cause) {
      reportOnConsole("onError failed")(cause, error);
    }
  };
  return (error) => void guarded(error);
}
