import { CometSource, type CometSourceOptions } from "./comet-source.ts";

/**
 * Opens a source that forwards every event to one function, whatever its name, and has no listeners of its own.
 *
 * It overrides `dispatchEvent`, since names of messages are the application's: there is no list of names to listen to.
 *
 * @returns The source; `undefined` if the address is invalid. Then `forward` has been called with an error `ERR_URL`.
 */
export function forwardEvents(
  forward: (event: Event) => void,
  url: string | URL,
  options: CometSourceOptions | undefined,
): CometSource | undefined {
  class ForwardingSource extends CometSource {
    override dispatchEvent(event: Event): boolean {
      forward(event);
      return true;
    }
  }
  try {
    return new ForwardingSource(url, options);
  } catch (error) {
    forward(Object.assign(new Event("error"), { code: "ERR_URL", detail: String(error), retryMs: null }));
    return undefined;
  }
}
