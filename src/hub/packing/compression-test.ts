import { CometError, describe } from "../../core/errors.ts";
import { runtimeZlib } from "./zlib.ts";

/** Decides whether a connection that follows these topics is compressed. */
export type CompressionTest = (topics: readonly string[]) => boolean;

/**
 * Checks the option `compression`.
 *
 * @returns The test of each connection; `undefined` if none is compressed, as where the runtime has no zlib. It throws
 *   `ERR_OPTION` if the application's function returns anything but a boolean.
 * @throws {CometError} `ERR_OPTION`.
 */
export function compressionTest(given: boolean | CompressionTest = false): CompressionTest | undefined {
  if (typeof given !== "boolean" && typeof given !== "function") {
    throw new CometError("ERR_OPTION", `compression must be true, false or a function, not ${describe(given)}.`);
  }
  if (given === false || runtimeZlib() === undefined) return undefined;
  if (given === true) return ({ length }) => length === 1;
  return (topics) => {
    // A copy: the application may change the list, as JavaScript permits.
    const answer: unknown = given([...topics]);
    if (typeof answer === "boolean") return answer;
    throw new CometError("ERR_OPTION", `compression must return true or false, not ${describe(answer)}.`);
  };
}
