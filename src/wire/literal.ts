import { CometError, describe } from "../core/errors.ts";
import type { JsonValue } from "./json.ts";

/** How deep arrays and objects may be nested in a message. Deeper literals overflow a browser's JavaScript parser. */
const MAX_DEPTH = 500;

/*
 * Literals for the inside of a <script> element. JSON.stringify escapes what ends or breaks a string: quotes,
 * backslashes, control characters (NUL and line ends too, which an HTML parser would change) and lone surrogates (which
 * UTF-8 cannot carry). Left for us are `<`, since `</script`, `<!--` and `<script` mean something to the HTML parser
 * wherever they stand (HTML, 13.2.5.4, script data states); `&`, since scripts within SVG and in XHTML decode
 * character references; and U+2028/9, line ends to JavaScript before 2019.
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

/** A string as a JavaScript literal in single quotes, safe inside a `<script>` element: `'kiki'`. */
export function stringLiteral(value: string): string {
  return `'${insideQuotes(value, jsonString(value))}'`;
}

/** What stands between the quotes of a {@link stringLiteral}, for a string whose {@link jsonString} is known. */
export function insideQuotes(value: string, json: string): string {
  const inside = isVerbatim(value, json) ? value : json.slice(1, -1);
  return inside.includes("'") ? inside.replaceAll("'", "\\'") : inside;
}

/** Whether a string stands in its {@link jsonString} as it is, between quotes. Every escape is longer than what it stands for. */
export function isVerbatim(value: string, json: string): boolean {
  return json.length === value.length + 2;
}

/** A string as JSON, safe inside a `<script>` element. */
export function jsonString(value: string): string {
  return safe(JSON.stringify(value));
}

/** JSON with what is unsafe in a script escaped: it can only stand in strings. Most of it has none, and `includes` sees that fastest. */
function safe(json: string): string {
  if (json.includes("<") || json.includes("&") || json.includes("\u2028") || json.includes("\u2029")) {
    return json.replace(unsafe, escape);
  }
  return json;
}

/** What the literal is read by: the two differ in one key only. */
export type LiteralReader = "javascript" | "json";

/**
 * A JSON value as a literal that is safe inside a `<script>` element, `{"a":1}`. Read by JavaScript, it gives the same
 * value: a key `__proto__`, which would set the prototype, is written `["__proto__"]`.
 *
 * A property that is `undefined` is left out, as JSON does. Anything else that JSON cannot carry as it is - `undefined`,
 * `NaN`, a bigint, a function, a `Date`, a `Map`, an instance of a class - is refused, and never written as
 * something else.
 *
 * @throws {CometError} `ERR_ENCODER` for such a value, or one nested more than 500 levels deep, as every cycle is.
 */
export function jsonLiteral(value: unknown, reader: LiteralReader = "javascript"): string {
  return isOrdinary(value, 0) ? safe(JSON.stringify(value)) : write(value, reader, 0);
}

/**
 * Whether JSON.stringify writes a value as it is to be written, several times as fast as we do. Not so for -0, keys `__proto__`,
 * and whatever is to be refused.
 */
function isOrdinary(value: unknown, depth: number): boolean {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || depth === MAX_DEPTH) return false;
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

/** The default encoding of a message: a string in single quotes, anything else as {@link jsonLiteral}. */
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

/** An object of no class: made by a literal, by `JSON.parse`, by `Object.create(null)`, in this realm or another. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refusal(value: unknown, depth: number): CometError {
  const where = depth === 0 ? "A message is" : "A message contains";
  const what = value === undefined ? "undefined" : describe(value);
  const message = `${where} ${what}, which is neither a string nor JSON: give comet an encoder that turns it into one.`;
  return new CometError("ERR_ENCODER", message);
}
