import { CometSource, type CometSourceOptions } from "./comet-source.ts";

/** A source whose events all go to one function, whatever their names; it has no listeners of its own. */
export function sourceTelling(
  told: (event: Event) => void,
  url: string | URL,
  options: CometSourceOptions | undefined,
): CometSource {
  class Telling extends CometSource {
    override dispatchEvent(event: Event): boolean {
      told(event);
      return true;
    }
  }
  return new Telling(url, options);
}
