import { CometError, describe } from "../core/errors.ts";
import { assertFunction } from "../core/options.ts";
import { guardOnError, reportOnConsole, type OnError } from "../core/on-error.ts";
import { contentTypes, type ElementKind } from "./elements.ts";

/** Options of a chunked response. */
export interface ChunkedInit {
  /** The status: a whole number from 200 to 599, except those without a body (204, 205, 304). @default 200 */
  readonly status?: number;
  /**
   * Headers to send. They replace the defaults: `Content-Type` by the elements, `Cache-Control: no-store`,
   * `X-Content-Type-Options: nosniff`, `X-Accel-Buffering: no`, and on HTML `Content-Security-Policy: frame-ancestors
   * 'self'`. `no-transform` is added to every `Cache-Control`: middleware and proxies that compress would hold the
   * response back.
   */
  readonly headers?: NonNullable<ConstructorParameters<typeof Headers>[0]>;
  /**
   * Called once if the source fails, or if its clean-up fails after the client has disconnected. The client sees a
   * response that breaks off. A disconnect is not an error.
   * @default `console.error`
   */
  readonly onError?: OnError;
}

/** A {@link ChunkedInit} that was checked, with the defaults. */
export interface CheckedInit {
  readonly status: number | undefined;
  readonly headers: Headers;
  readonly onError: OnError;
}

/** The statuses of responses without a body (RFC 9110, 15.3.5, 15.3.6, 15.4.5). */
const bodiless = new Set([204, 205, 304]);

/**
 * Checks the options of a chunked response.
 *
 * @throws {CometError} `ERR_RESPONSE` for a status or header that cannot be sent; `ERR_OPTION` for an `onError` that is
 *   no function.
 */
export function checkInit(init: ChunkedInit): CheckedInit {
  const { status } = init;
  if (status !== undefined && (!Number.isInteger(status) || status < 200 || status > 599 || bodiless.has(status))) {
    throw new CometError("ERR_RESPONSE", `A chunked response cannot have the status ${describe(status)}.`);
  }
  return {
    status,
    headers: checkHeaders(init.headers),
    onError: guardOnError(assertFunction("onError", init.onError ?? reportOnConsole("a chunked response failed"))),
  };
}

function checkHeaders(init: ChunkedInit["headers"]): Headers {
  let headers: Headers;
  try {
    headers = new Headers(init);
  } catch (error) {
    throw new CometError("ERR_RESPONSE", `The headers cannot be sent: ${(error as Error).message}`, { cause: error });
  }
  for (const [name, value] of headers) {
    // `Headers` takes control characters, which Node does not send (RFC 9110, 5.5).
    if (!/[\0-\b\n-\x1f\x7f]/.test(value)) continue;
    throw new CometError("ERR_RESPONSE", `The headers cannot be sent: ${name} has a control character.`);
  }
  for (const name of ["content-length", "transfer-encoding"]) {
    if (headers.has(name)) {
      throw new CometError("ERR_RESPONSE", `A chunked response cannot have the header ${name}: its length is unknown.`);
    }
  }
  return headers;
}

/**
 * Adds the default headers of a chunked response, except those that `headers` or `others` have.
 *
 * `no-transform` is added to every `Cache-Control`, also to the application's own. Keep that: intermediaries that compress hold a
 * stream back without it, and so do those that buffer without `X-Accel-Buffering`.
 *
 * @param others Returns the value of a header that is set elsewhere on the same response.
 */
export function addDefaultHeaders(
  headers: Headers,
  kind: ElementKind | undefined,
  others: (name: string) => string | undefined = () => undefined,
): void {
  const add = (name: string, value: string): void => {
    if (!headers.has(name) && others(name) === undefined) headers.set(name, value);
  };
  if (kind !== undefined) add("content-type", contentTypes[kind]);
  const cacheControl = headers.get("cache-control") ?? others("cache-control") ?? "no-store";
  headers.set("cache-control", withNoTransform(cacheControl));
  add("x-content-type-options", "nosniff");
  add("x-accel-buffering", "no");
  if (/^text\/html\b/i.test(headers.get("content-type") ?? ""))
    add("content-security-policy", "frame-ancestors 'self'");
}

/** Adds `no-transform` to the directives of a `Cache-Control`, unless they have it. */
function withNoTransform(directives: string): string {
  if (/(^|,)\s*no-transform\s*(,|$)/i.test(directives)) return directives;
  return directives === "" ? "no-transform" : `${directives}, no-transform`;
}
