import { CometError } from "../../core/errors.ts";
import type { HubRequest } from "../request-options.ts";

/** The parameters that a hub reads: PROTOCOL.md, section 3. All others are the application's. */
const parameters = ["topic", "lastEventId", "from", "wire", "wait", "mode", "callback", "target"] as const;

export type Parameter = (typeof parameters)[number];

/** The characters of a query beside its topics and its position. */
const OTHER_LENGTH = 8192;
/** The topics take as many characters as their position at most, and the position up to three times its length, since it is encoded. */
const POSITION_LENGTHS = 4;

/**
 * The query of a request, read in one pass over a bounded text.
 *
 * Strangers write it, so neither a repeated parameter nor a long one may cost more than its length.
 */
export class Query {
  readonly #text: URLSearchParams;
  readonly #values: ReadonlyMap<string, string[]> = new Map(parameters.map((name) => [name, []]));

  /** @throws {CometError} `ERR_QUERY` if it is longer than the limits of topics and positions can make it. */
  constructor({ url }: HubRequest, maxPositionLength: number) {
    const start = url.indexOf("?");
    const fragment = url.indexOf("#");
    const end = fragment === -1 ? url.length : fragment;
    const longest = POSITION_LENGTHS * maxPositionLength + OTHER_LENGTH;
    if (start !== -1 && end - start - 1 > longest) {
      throw new CometError("ERR_QUERY", `A query must have at most ${longest} characters, not ${end - start - 1}.`);
    }
    this.#text = new URLSearchParams(start === -1 ? "" : url.slice(start, end));
    for (const [name, value] of this.#text) this.#values.get(name)?.push(value);
  }

  /** Returns the values of a parameter that may be repeated. */
  all(name: Parameter): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Returns the value of a parameter. @throws {CometError} `ERR_PARAMETER` if it is repeated. */
  single(name: Parameter): string | undefined {
    const values = this.all(name);
    if (values.length > 1) throw new CometError("ERR_PARAMETER", `The parameter ${name} must not be repeated.`);
    return values[0];
  }

  /** Returns the query's text without a parameter, and without `?`. */
  without(name: Parameter): string {
    const rest = new URLSearchParams(this.#text);
    rest.delete(name);
    return rest.toString();
  }
}
