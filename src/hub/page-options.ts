/**
 * Checks the options that say which pages get messages: their callbacks, and pages of other origins.
 *
 * Do not widen `harmless`: it decides which functions of a page a stranger's URL can call.
 */

import { CometError, describe } from "../core/errors.ts";
import { checkCallback, MAX_CALLBACK_LENGTH } from "../wire/script-frame.ts";

/** The option `cors`, checked. */
export interface CorsSettings {
  readonly origins: ReadonlySet<string>;
  readonly credentials: boolean;
}

function isHarmlessCallback(callback: string): boolean {
  return callback.length <= MAX_CALLBACK_LENGTH && harmless.test(callback);
}

const harmless = /^(?:console\.log|(?:parent\.)?comet[\w$]*)$/;

/** Returns the test of the callbacks that requests may name. @throws {CometError} `ERR_CALLBACK`, `ERR_OPTION`. */
export function callbackTest(callbacks: unknown): (callback: string) => boolean {
  if (callbacks === undefined) return isHarmlessCallback;
  if (!Array.isArray(callbacks)) {
    throw new CometError("ERR_OPTION", `callbacks must be a list of callbacks, not ${describe(callbacks)}.`);
  }
  const allowed = new Set(callbacks.map(checkCallback));
  return (callback) => allowed.has(callback);
}

/** Checks the origins that may follow topics. @throws {CometError} `ERR_OPTION`. */
export function checkCors(
  cors: { readonly origins: readonly string[]; readonly credentials?: boolean } | undefined,
): CorsSettings | undefined {
  if (cors === undefined) return undefined;
  const origins: unknown = cors.origins;
  if (!Array.isArray(origins) || !origins.every(isOrigin)) {
    const example = "https://example.com";
    throw new CometError("ERR_OPTION", `cors.origins must be a list of origins such as ${example}, without a path.`);
  }
  return { origins: new Set(origins), credentials: cors.credentials ?? false };
}

function isOrigin(text: unknown): text is string {
  return typeof text === "string" && URL.canParse(text) && new URL(text).origin === text;
}
