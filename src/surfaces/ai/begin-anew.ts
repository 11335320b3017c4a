import { CometError } from "../../core/errors.ts";
import type { Hub } from "../../hub/hub.ts";
import type { StreamOutcome } from "../../hub/published-streams.ts";
import type { Source } from "../../stream/index.ts";
import type { JsonValue } from "../../wire/json.ts";

/** The options of `hub.produce` that surfaces pass on. */
export interface ProductionOptions {
  readonly ttlMs?: number | undefined;
  readonly leaseMs?: number | undefined;
}

/**
 * Produces a topic that replaces the one of its name, if there is one.
 *
 * @returns Resolves once this process can read the new topic: the hub calls the source only then. `outcome` resolves when the topic has ended.
 * @throws {Error} For a mistake of the application; {CometError} `ERR_CLOSED`, `ERR_BROKER`, `ERR_LIMIT`.
 */
export async function beginAnew(
  hub: Hub,
  name: string,
  source: (signal: AbortSignal) => Source<JsonValue>,
  { ttlMs, leaseMs }: ProductionOptions,
): Promise<{ readonly outcome: Promise<StreamOutcome> }> {
  let outcome: Promise<StreamOutcome> | undefined;
  await new Promise<unknown>((resolve) => {
    const begin = (signal: AbortSignal): Source<JsonValue> => {
      resolve(undefined);
      return source(signal);
    };
    const times = { ...(ttlMs === undefined ? {} : { ttlMs }), ...(leaseMs === undefined ? {} : { leaseMs }) };
    try {
      outcome = hub.produce(name, begin, { restart: true, ...times });
    } catch (error) {
      throw isPassing(error) ? error : new Error((error as Error).message, { cause: error });
    }
    outcome.then(resolve, resolve);
  });
  return { outcome: outcome as unknown as Promise<StreamOutcome> };
}

/** Whether an error is one of the hub's state, which a client may see. */
function isPassing(error: unknown): boolean {
  return error instanceof CometError && error.code === "ERR_CLOSED";
}
