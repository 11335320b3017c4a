import { CometError, describe } from "../core/errors.ts";
import { assertFunction } from "../core/options.ts";
import { processWide } from "../core/process-wide.ts";
import { isPromiseLike } from "../core/promise.ts";
import { VERSION } from "../core/version.ts";
import type { Hub } from "./hub.ts";

/** A hub of the process, and the version of the package that made it. Copies of every version read this record. */
interface SharedHub {
  readonly version: string;
  readonly hub: Hub | PromiseLike<Hub>;
}

/**
 * Returns the one hub of the process with this name, and creates it on the first call.
 *
 * A `new Hub()` at the top of a module is one hub for each copy of the module: bundlers such as that of Next.js make
 * several, and hot reload runs the module again. A message that is published to one hub never reaches the subscribers
 * of another. All calls of `sharedHub` with one name return the same hub, from whichever bundle they come.
 *
 * The first call decides on the options, until the process ends. After a hot reload the hub keeps the `authorize` and
 * the hooks of the first version of the module: restart the process to change them. The options of a handler are
 * reloaded. A hub that is closed stays closed, so that requests during a shutdown do not create another. Each worker
 * thread and each `vm` context, such as the edge runtime of Next.js, has hubs of its own.
 *
 * @param name The hub's name in the process, 1 to 200 characters.
 * @param create Creates the hub. It may be async, for a broker: `sharedHub` then returns the same promise to all
 *   callers. If it fails, the next call tries again.
 * @throws {CometError} `ERR_OPTION` for a bad name or function, or if the function returns something else than a hub;
 *   `ERR_VERSION` if another version of the package has created the hub.
 * @example
 * ```ts
 * export const hub = sharedHub("app", () => new Hub({ authorize }));
 * ```
 */
export function sharedHub<Result extends Hub | PromiseLike<Hub>>(name: string, create: () => Result): Result {
  if (typeof name !== "string" || name === "" || name.length > 200) {
    throw new CometError(
      "ERR_OPTION",
      `The name of a shared hub must have 1 to 200 characters, not ${describe(name)}.`,
    );
  }
  assertFunction("The second argument of sharedHub", create);
  const hubs = processWide("hubs", () => new Map<string, SharedHub>());
  const existing = hubs.get(name);
  if (existing !== undefined) {
    if (existing.version === VERSION) return existing.hub as Result;
    throw new CometError(
      "ERR_VERSION",
      `The hub ${JSON.stringify(name)} belongs to comet-sockets ${existing.version}, and this is ${VERSION}. ` +
        "Install one version, or use another name.",
    );
  }
  const hub = create();
  const shared = { version: VERSION, hub: isPromiseLike(hub) ? checkLater(name, hub, hubs) : checkHub(hub) };
  hubs.set(name, shared);
  return shared.hub as Result;
}

/** Checks the hub of a promise, and forgets the promise if it fails, so that the next call tries again. */
async function checkLater(name: string, promise: PromiseLike<Hub>, hubs: Map<string, unknown>): Promise<Hub> {
  try {
    return checkHub(await promise);
  } catch (error) {
    hubs.delete(name);
    throw error;
  }
}

/** The class cannot tell: the function may have another copy of it. */
function checkHub(hub: Hub): Hub {
  if (typeof (hub as Partial<Hub> | undefined)?._decide === "function") return hub;
  throw new CometError("ERR_OPTION", `The function of sharedHub must return a hub, not ${describe(hub)}.`);
}
