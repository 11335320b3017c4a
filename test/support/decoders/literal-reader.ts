import { describe } from "../../../src/core/errors.ts";
import { parseJson } from "./decoder.ts";
import { FrameError } from "./frame-error.ts";
import type { JsonValue } from "../../../src/wire/json.ts";

/**
 * Reads a literal as plain comet writes it, and nothing else of JavaScript: JSON; a string in single quotes, with the
 * escapes of JSON and `\'`; in objects a key `["__proto__"]`, for the key that JavaScript would use as the prototype.
 *
 * @throws {FrameError} for anything else.
 */
export function readLiteral(literal: string): JsonValue {
  if (!literal.startsWith("'")) {
    // A key or string has no unescaped quote, so these can only be keys.
    const keys = /\\[^]|\["__proto__"\]:|"__proto__"\s*:/g;
    if (!literal.includes('"__proto__"')) return parseJson(literal);
    return parseJson(literal.replace(keys, (found) => (found.startsWith("[") ? '"__proto__":' : refuseKey(found))));
  }
  const body = literal.slice(1, -1).replace(/\\[^]|["']/g, (found) => {
    if (found === "'") throw new FrameError(`A quote ends the string in ${describe(literal)} too early.`);
    return found === "\\'" ? "'" : found === '"' ? '\\"' : found;
  });
  if (literal.length < 2 || !literal.endsWith("'"))
    throw new FrameError(`A string does not end: ${describe(literal)}.`);
  return parseJson(`"${body}"`);
}

function refuseKey(found: string): string {
  if (found.startsWith("\\")) return found;
  throw new FrameError("A key __proto__ sets the prototype of a literal.");
}
