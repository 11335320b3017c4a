import { CometError, type CometErrorCode } from "../core/errors.ts";
import { reportOnConsole } from "../core/on-error.ts";

/** The part that failed, by the code of an error that has no caller. */
const failures: Partial<Record<CometErrorCode, string>> = {
  ERR_BROKER: "the broker failed",
  ERR_BROKER_CONFIG: "the configuration of the broker is wrong",
  ERR_UNACKNOWLEDGED: "the broker did not acknowledge a message",
  ERR_RESPONSE: "a response could not be sent",
  ERR_TIMEOUT: "authorize took too long",
};

/** The default `onError` of a hub: it logs to the console what failed, with its code, and the error. */
export function reportHubError(error: unknown): void {
  const code = error instanceof CometError ? error.code : undefined;
  const failure = (code && failures[code]) ?? "a callback of the application, or the client of the broker, failed";
  reportOnConsole(code === undefined ? failure : `${failure} (${code})`)(error);
}
