import { CometError, describe, type CometErrorCode } from "./errors.ts";

/** The longest event name, key, id or identity, in UTF-16 code units. */
export const MAX_FIELD_LENGTH = 200;

/** The characters that would end a field of an event stream, be ignored there, or not survive UTF-8. */
const unfit = /[\r\n\0\p{Surrogate}]/u;

/** Checks an event name, key, id or identity, unless it is `undefined`. @throws {CometError} with this code. */
export function checkField(what: string, value: unknown, code: CometErrorCode): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "" && value.length <= MAX_FIELD_LENGTH && !unfit.test(value)) return value;
  const rule = `1 to ${MAX_FIELD_LENGTH} characters without line ends, NUL and lone surrogates`;
  throw new CometError(code, `${what} must be ${rule}, not ${describe(value)}.`);
}
