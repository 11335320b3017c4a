import { CometSource, type CometSourceOptions } from "./comet-source.ts";

/**
 * A source whose events all go to one function, whatever their names; it has no listeners of its own. If its address is none, there is no
 * source, and the function is told of an error `ERR_URL`.
 */
export function sourceTelling(
  told: (event: Event) => void,
  url: string | URL,
  options: CometSourceOptions | undefined,
): CometSource | undefined {
  class Telling extends CometSource {
    override dispatchEvent(event: Event): boolean {
      told(event);
      return true;
    }
  }
  try {
    return new Telling(url, options);
  } catch (error) {
    told(Object.assign(new Event("error"), { code: "ERR_URL", detail: String(error), retryMs: null }));
    return undefined;
  }
}
