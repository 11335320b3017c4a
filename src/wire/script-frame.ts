import { CometError, describe } from "../core/errors.ts";

/** The greatest length of a callback, in characters. */
export const MAX_CALLBACK_LENGTH = 128;
/** The greatest length of a nonce, in characters. */
const MAX_NONCE_LENGTH = 256;

const dottedPath = /^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*$/;

/** `base64-value` of CSP Level 3, section 2.3.1, both alphabets. */
const base64Value = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** The words that cannot begin the name of a function (ECMAScript, 12.7.2): `import('x')` would load code, `return('x')` calls nothing. */
const reserved = new Set(
  (
    "await break case catch class const continue debugger default delete do else enum export extends false finally for " +
    "function if implements import in instanceof interface let new null package private protected public return static " +
    "super switch this throw true try typeof var void while with yield"
  ).split(" "),
);

/**
 * Checks the form of a callback: ASCII identifiers joined by dots, such as `console.log`, of at most 128 characters, of which the first
 * is not a reserved word. A callback becomes code: do not accept more.
 *
 * The form alone does not make a callback from an address safe: `eval` and `document.write` have it. So a hub calls only the callbacks that
 * `hub/hub-options.ts` lists; `comet()` calls the one that the application names.
 *
 * @throws {CometError} `ERR_CALLBACK` for anything else.
 */
export function checkCallback(callback: unknown): string {
  const path = typeof callback === "string" && callback.length <= MAX_CALLBACK_LENGTH ? callback : "";
  if (dottedPath.test(path) && !reserved.has(path.split(".", 1).join())) return path;
  throw new CometError(
    "ERR_CALLBACK",
    `A callback must be a dotted path of identifiers, such as parent.cometMessage, of at most ${MAX_CALLBACK_LENGTH} ` +
      `characters, not ${describe(callback)}.`,
  );
}

/**
 * Checks a script nonce: a base64 value of at most 256 characters.
 *
 * @see https://www.w3.org/TR/CSP3/#grammardef-nonce-source
 * @throws {CometError} `ERR_NONCE` for anything else.
 */
export function checkNonce(nonce: unknown): string {
  if (typeof nonce === "string" && nonce.length <= MAX_NONCE_LENGTH && base64Value.test(nonce)) return nonce;
  throw new CometError(
    "ERR_NONCE",
    `A nonce must be a base64 value of at most ${MAX_NONCE_LENGTH} characters, not ${describe(nonce)}.`,
  );
}

/** The text before and after the literal in every script of one comet socket. */
export interface ScriptFrame {
  readonly before: string;
  readonly after: string;
}

/**
 * Writes the script around each message: `<script>callback(` and `);</script>`.
 *
 * Only a literal of literal.ts may stand between the two: anything else could end the script.
 *
 * @throws {CometError} `ERR_CALLBACK`, `ERR_NONCE`.
 */
export function scriptFrame(callback: unknown, nonce: unknown): ScriptFrame {
  return { before: `${scriptTag(nonce)}${checkCallback(callback)}(`, after: ");</script>" };
}

/** Writes the start tag of a script, with its nonce if there is one. @throws {CometError} `ERR_NONCE`. */
export function scriptTag(nonce: unknown): string {
  return nonce === undefined ? "<script>" : `<script nonce="${checkNonce(nonce)}">`;
}

/**
 * The default start of a comet document outside of a hub: 5,120 spaces, since browsers hold back the first bytes of a
 * page, and an explicit body, which Firefox and WebKit need before they run scripts on arrival.
 */
export const INITIAL_CHUNK: string = `${" ".repeat(5120)}<html><body>`;
