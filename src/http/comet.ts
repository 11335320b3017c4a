import { CometError, describe } from "../core/errors.ts";
import { assertFunction } from "../core/options.ts";
import type { Enumeratee as Adapter, Enumerator } from "../stream/enumerator.ts";
import { compose } from "../stream/operators/compose.ts";
import { heading } from "../stream/operators/heading.ts";
import { map } from "../stream/operators/map.ts";
import { INITIAL_CHUNK, scriptFrame } from "../wire/script-frame.ts";
import { Html } from "../html/html.ts";
import type { IfJsonable, JsonValue } from "../wire/json.ts";
import { jsonLiteral, messageLiteral } from "../wire/literal.ts";
import { declareKind } from "./elements.ts";

/** Options of {@link comet}. */
export interface CometOptions {
  /**
   * The function that each message is given to: a dotted path of ASCII identifiers, such as `console.log` or
   * `parent.cometMessage`, of at most 128 characters.
   */
  readonly callback: string;
  /**
   * What the document begins with, as a chunk of its own. By default 5,120 spaces and `<html><body>`; `null` for nothing.
   * Browsers hold scripts back until they have seen enough: WebKit wants 512 bytes first.
   */
  readonly initialChunk?: Html | null;
  /** The `nonce` attribute of every script, for a Content-Security-Policy: a base64 value of at most 256 characters. */
  readonly nonce?: string;
}

/**
 * What a message of type `E` is for the callback: a function from `E` to a string or JSON. The result is written as a
 * JSON literal, and is as safe as every other value.
 */
export type CometMessage<E> = (message: E) => JsonValue;

/** The message encoders that come with the package. Without any, strings and JSON encode themselves. */
export const CometMessage: {
  /** JSON, strings too: `"kiki"` in double quotes, where no encoder gives `'kiki'`. */
  readonly json: <E>(message: E & IfJsonable<E>) => JsonValue;
} = { json: (message) => message as JsonValue };

/** A comet socket of strings or JSON values. Any other element type does not compile. */
export type CometEnumeratee = <E>(source: AsyncIterable<E> & IfJsonable<E>) => Enumerator<Html>;

/**
 * Turns events into a comet socket: an HTML document that is sent as it comes about, whose scripts give each event to a
 * callback, in the browser, as it arrives. First the initial chunk, then for each event one element
 * `<script>callback('event');</script>`. Pulled, stopped and failed as {@link Adapter} says.
 *
 * Strings become JavaScript strings, JSON values become JavaScript literals; other types are given an `encoder`. A value
 * can never end its script, begin a comment or name anything, whatever it holds; and it arrives as what it was, a key
 * `__proto__` and lone surrogates included.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE` and `ERR_OPTION` at once for bad options; `ERR_ENCODER` to the reader for
 *   a message that is neither a string nor JSON.
 */
export function comet<E>(options: CometOptions & { readonly encoder: CometMessage<E> }): Adapter<E, Html>;
export function comet(options: CometOptions & { readonly encoder?: undefined }): CometEnumeratee;
export function comet(
  options: CometOptions & { readonly encoder?: CometMessage<unknown> | undefined },
): Adapter<unknown, Html> {
  const { before, after } = scriptFrame(options.callback, options.nonce);
  const literal = literalWriter(options.encoder);
  const scripts = map((message: unknown) => Html.trusted(before + literal(message) + after));
  const initial = initialChunk(options.initialChunk);
  const adapter = initial === null ? scripts : compose(scripts, heading(initial));
  return (source) => declareKind(adapter(source), "html");
}

function literalWriter(encoder: CometMessage<unknown> | undefined): (message: unknown) => string {
  if (encoder === undefined) return messageLiteral;
  assertFunction("The encoder of comet", encoder);
  return (message) => jsonLiteral(encoder(message));
}

function initialChunk(given: Html | null | undefined): Html | null {
  if (given === undefined) return Html.trusted(INITIAL_CHUNK);
  if (given === null || given instanceof Html) return given;
  throw new CometError("ERR_OPTION", `The initialChunk of comet must be Html or null, not ${describe(given)}.`);
}
