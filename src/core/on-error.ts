/** Handles an error that has no caller. It must not throw. */
export type OnError = (error: unknown) => void;

/** The default error handler: it logs to the console, so that no error is lost. */
export const reportOnConsole: OnError = (error) => {
  // eslint-disable-next-line no-console -- the only place that logs
  console.error("comet-sockets: a chunked response failed:", error);
};
