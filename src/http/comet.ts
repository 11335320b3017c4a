import { CometError, describe } from "../core/errors.ts";
import { assertFunction } from "../core/options.ts";
import type { Enumeratee as Adapter, Enumerator } from "../stream/enumerator.ts";
import { compose, heading, map } from "../stream/operators.ts";
import { INITIAL_CHUNK, scriptFrame } from "../wire/script-frame.ts";
import { Html } from "../html/html.ts";
import type { IfJsonable, JsonValue } from "../wire/json.ts";
import { jsonLiteral, messageLiteral } from "../wire/literal.ts";
import { declareKind } from "./elements.ts";

/** Options of {@link comet}. */
export interface CometOptions {
  /**
   * The function that is called with each message: a dotted path of ASCII identifiers, such as `console.log` or
   * `parent.cometMessage`, of at most 128 characters.
   */
  readonly callback: string;
  /**
   * The first chunk of the document; `null` for none. Browsers hold scripts back until they have received enough:
   * WebKit needs 512 bytes.
   * @default 5,120 spaces and `<html><body>`
   */
  readonly initialChunk?: Html | null;
  /** The `nonce` attribute of every script, for a Content-Security-Policy: a base64 value of at most 256 characters. */
  readonly nonce?: string;
}

/**
 * Encodes a message of type `E` as a string or JSON. The result is written as a JSON literal, and is as safe as any
 * other value.
 */
export type CometMessage<E> = (message: E) => JsonValue;

/** The message encoders of the package. Strings and JSON need none. */
export const CometMessage: {
  /** Writes strings as JSON too: `"kiki"` in double quotes; without an encoder it is `'kiki'`. */
  readonly json: <E>(message: E & IfJsonable<E>) => JsonValue;
} = { json: (message) => message as JsonValue };

/** An adapter from strings or JSON values to a comet socket. Any other element type does not compile. */
export type CometEnumeratee = <E>(source: AsyncIterable<E> & IfJsonable<E>) => Enumerator<Html>;

/**
 * Turns events into a comet socket: an endless HTML document whose scripts call a callback with each event on arrival.
 *
 * It emits the initial chunk first, then for each event one element `<script>callback('event');</script>`. It is
 * pulled, stopped and failed like every {@link Adapter}.
 *
 * Strings become JavaScript strings, JSON values become JavaScript literals; other types need an `encoder`. No value
 * can end its script, begin a comment or name anything. Every value arrives unchanged, with a key `__proto__` and lone
 * surrogates too.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE` and `ERR_OPTION` at once for invalid options; `ERR_ENCODER` to the
 *   reader for a message that is neither a string nor JSON.
 * @example
 * events.through(comet({ callback: "parent.cometMessage" }));
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
