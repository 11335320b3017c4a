/** Where an error goes that has no caller to be thrown to. It must not throw itself. */
export type OnError = (error: unknown) => void;

/** The default: the error on the console, so that it is never lost in silence. */
export const reportOnConsole: OnError = (error) => {
  // eslint-disable-next-line no-console -- the one place of last resort
  console.error("comet-sockets: a chunked response failed:", error);
};
