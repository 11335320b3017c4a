import { CometError, describe } from "../core/errors.ts";
import type { JsonValue } from "./json.ts";

/** The deepest nesting of arrays and objects in a message. Deeper literals overflow a browser's JavaScript parser. */
const MAX_DEPTH = 500;

/*
 * Literals for the inside of a <script> element. JSON.stringify escapes the characters that end or break a string:
 * quotes, backslashes, control characters (also NUL and line ends, which an HTML parser would change) and lone
 * surrogates (which UTF-8 cannot carry). This file escapes the others: `<`, since `</script`, `<!--` and `<script` have
 * a meaning to the HTML parser anywhere in a script (HTML, 13.2.5.4, script data states); `&`, since scripts within SVG
 * and in XHTML decode character references; and U+2028/9, line ends in JavaScript before 2019. Each missing escape is
 * an injection: test/property/script-safety.test.ts has the hostile values.
 */
const unsafe = /[<&\u2028\u2029]/g;

const escapes: Record<string, string> = {
  "<": "\\u003c",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

function escape(character: string): string {
  return escapes[character] as string;
}

/** Writes a string as a JavaScript literal in single quotes, safe inside a `<script>` element: `'kiki'`. */
export function stringLiteral(value: string): string {
  return `'${insideQuotes(value, jsonString(value))}'`;
}

/** Writes the inside of a {@link stringLiteral}, without its quotes, for a string whose {@link jsonString} is known. */
export function insideQuotes(value: string, json: string): string {
  const inside = isVerbatim(value, json) ? value : json.slice(1, -1);
  return inside.includes("'") ? inside.replaceAll("'", "\\'") : inside;
}

/**
 * Whether a string is unchanged in its {@link jsonString}. Every escape is longer than its character, so lengths
 * decide.
 */
export function isVerbatim(value: string, json: string): boolean {
  return json.length === value.length + 2;
}

/** Writes a string as JSON, safe inside a `<script>` element. */
export function jsonString(value: string): string {
  return safe(JSON.stringify(value));
}

/**
 * Escapes the characters that are unsafe in a script; only strings contain them. Most JSON has none, which `includes`
 * finds fastest.
 */
function safe(json: string): string {
  if (json.includes("<") || json.includes("&") || json.includes("\u2028") || json.includes("\u2029")) {
    return json.replace(unsafe, escape);
  }
  return json;
}

/** The parser of a literal. The two differ in one key only. */
export type LiteralReader = "javascript" | "json";

/**
 * Writes a JSON value as a literal that is safe inside a `<script>` element: `{"a":1}`. JavaScript reads the same value
 * from it: a key `__proto__`, which would set the prototype, is written `["__proto__"]`.
 *
 * A property that is `undefined` is left out, as in JSON. It rejects every other value that JSON cannot carry -
 * `undefined`, `NaN`, a bigint, a function, a `Date`, a `Map`, an instance of a class - and never writes another value
 * instead. It never calls a `toJSON`: an inherited one is ignored, and an own one is rejected as a function.
 *
 * @throws {CometError} `ERR_ENCODER` for such a value, or one nested more than 500 levels deep, as every cycle is.
 */
export function jsonLiteral(value: unknown, reader: LiteralReader = "javascript"): string {
  return isOrdinary(value, 0) ? safe(JSON.stringify(value)) : write(value, reader, 0);
}

/**
 * Whether JSON.stringify writes the literal of a value. It is several times as fast as {@link write}, but wrong for -0,
 * for keys `__proto__`, for values with a `toJSON`, and for values that must be rejected.
 */
function isOrdinary(value: unknown, depth: number): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  // JSON.stringify would call the method, an inherited one too, and write something that nothing has checked.
  if (typeof value !== "object" || depth === MAX_DEPTH || "toJSON" in value) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) if (!isOrdinary(value[i], depth + 1)) return false;
    return true;
  }
  if (!isPlain(value)) return false;
  for (const key of Object.keys(value)) {
    const member = (value as { readonly [key: string]: unknown })[key];
    if (key === "__proto__" || (member !== undefined && !isOrdinary(member, depth + 1))) return false;
  }
  return true;
}

/** Writes a message in the default encoding: a string in single quotes, anything else as {@link jsonLiteral}. */
export function messageLiteral(value: unknown): string {
  return typeof value === "string" ? stringLiteral(value) : jsonLiteral(value);
}

function write(value: unknown, reader: LiteralReader, depth: number): string {
  if (typeof value === "string") return jsonString(value);
  if (typeof value === "number" && Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "boolean" || value === null) return String(value);
  if (typeof value !== "object") throw refusal(value, depth);
  if (depth === MAX_DEPTH) {
    throw new CometError("ERR_ENCODER", `A message is nested more than ${MAX_DEPTH} levels deep, or contains itself.`);
  }
  if (Array.isArray(value)) return writeArray(value, reader, depth + 1);
  if (!isPlain(value)) throw refusal(value, depth);
  return writeObject(value as { readonly [key: string]: JsonValue | undefined }, reader, depth + 1);
}

function writeArray(array: readonly unknown[], reader: LiteralReader, depth: number): string {
  let text = "[";
  for (let i = 0; i < array.length; i += 1) text += (i === 0 ? "" : ",") + write(array[i], reader, depth);
  return `${text}]`;
}

function writeObject(
  object: { readonly [key: string]: JsonValue | undefined },
  reader: LiteralReader,
  depth: number,
): string {
  let text = "{";
  for (const key of Object.keys(object)) {
    const member = object[key];
    if (member === undefined) continue;
    const name = key === "__proto__" && reader === "javascript" ? '["__proto__"]' : jsonString(key);
    text += `${text === "{" ? "" : ","}${name}:${write(member, reader, depth)}`;
  }
  return `${text}}`;
}

/**
 * Whether an object has no class: a literal, or made by `JSON.parse` or `Object.create(null)`, in this realm or
 * another.
 */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refusal(value: unknown, depth: number): CometError {
  const where = depth === 0 ? "A message is" : "A message contains";
  const what = value === undefined ? "undefined" : describe(value);
  const message = `${where} ${what}, which is neither a string nor JSON: pass an encoder.`;
  return new CometError("ERR_ENCODER", message);
}
