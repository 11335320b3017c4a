import { CometError } from "../../core/errors.ts";
import type { HubRequest } from "../request-options.ts";

/** The parameters that a hub reads: PROTOCOL.md, section 3. All others are the application's. */
export type Parameter = "topic" | "lastEventId" | "from" | "wire" | "wait" | "mode" | "callback" | "ended" | "target";

/**
 * The topics of a request take at most as many characters as a position, and the position up to three times its length,
 * since it is encoded.
 */
const POSITION_LENGTHS = 4;
/** The characters and the parameters of a query beside them. */
const OTHER_LENGTH = 8192;
const OTHER_PARAMETERS = 64;

/** The options of a hub on which the bounds of a query depend. */
export interface QueryLimits {
  readonly maxPositionLength: number;
  readonly maxTopicsPerConnection: number;
}

/**
 * The query of a request, whose length and number of parameters are bounded.
 *
 * Strangers write it, and it is parsed before anything else is known of them.
 */
export class Query {
  readonly #parameters: URLSearchParams;

  /** @throws {CometError} `ERR_QUERY` if it is longer than the limits of topics and positions can make it. */
  constructor({ url }: HubRequest, { maxPositionLength, maxTopicsPerConnection }: QueryLimits) {
    const start = url.indexOf("?");
    const fragment = url.indexOf("#");
    const text = start === -1 ? "" : url.slice(start + 1, fragment === -1 ? undefined : fragment);
    assertAtMost(text.length, POSITION_LENGTHS * maxPositionLength + OTHER_LENGTH, "characters");
    assertAtMost(countParameters(text), maxTopicsPerConnection + OTHER_PARAMETERS, "parameters");
    this.#parameters = new URLSearchParams(text);
  }

  /** Returns the values of a parameter that may be repeated. */
  all(name: Parameter): readonly string[] {
    return this.#parameters.getAll(name);
  }

  /** Returns the value of a parameter. @throws {CometError} `ERR_PARAMETER` if it is repeated. */
  single(name: Parameter): string | undefined {
    const values = this.all(name);
    if (values.length > 1) throw new CometError("ERR_PARAMETER", `The parameter ${name} must not be repeated.`);
    return values[0];
  }

  /** Returns the query's text without a parameter, and without `?`. */
  without(name: Parameter): string {
    const rest = new URLSearchParams(this.#parameters);
    rest.delete(name);
    return rest.toString();
  }
}

function assertAtMost(count: number, most: number, what: string): void {
  if (count <= most) return;
  throw new CometError("ERR_QUERY", `The query of a request must have at most ${most} ${what}, not ${count}.`);
}

function countParameters(text: string): number {
  let count = 1;
  for (let i = text.indexOf("&"); i !== -1; i = text.indexOf("&", i + 1)) count += 1;
  return count;
}
