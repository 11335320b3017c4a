import { CometError, describe } from "../core/errors.ts";
import { assertFunction } from "../core/options.ts";
import { reportOnConsole, type OnError } from "../core/on-error.ts";
import { contentTypes, type ElementKind } from "./elements.ts";

/** How a chunked response is begun, and where its failure is told. */
export interface ChunkedInit {
  /** The status: a whole number from 200 to 599, but none that has no body (204, 205, 304). 200 by default. */
  readonly status?: number;
  /**
   * Headers to send. They replace those that are set by default: `Content-Type` by the elements, `Cache-Control: no-store,
   * no-transform`, `X-Content-Type-Options: nosniff`, `X-Accel-Buffering: no`, and on HTML
   * `Content-Security-Policy: frame-ancestors 'self'`.
   */
  readonly headers?: HeadersInit;
  /**
   * Told once if the source fails, or if its clean-up fails after the client has gone; `console.error` by default. The
   * client sees a response that breaks off. A client that leaves is no error.
   */
  readonly onError?: OnError;
}

/** {@link ChunkedInit}, checked. */
export interface CheckedInit {
  readonly status: number | undefined;
  readonly headers: Headers;
  readonly onError: OnError;
}

/** Statuses of responses without a body (RFC 9110, 15.3.5, 15.3.6, 15.4.5). */
const bodiless = new Set([204, 205, 304]);

/** @throws {CometError} `ERR_RESPONSE` for a status or header that cannot be sent; `ERR_OPTION` for a bad `onError`. */
export function checkInit(init: ChunkedInit): CheckedInit {
  const { status } = init;
  if (status !== undefined && (!Number.isInteger(status) || status < 200 || status > 599 || bodiless.has(status))) {
    throw new CometError("ERR_RESPONSE", `A chunked response cannot have the status ${describe(status)}.`);
  }
  return {
    status,
    headers: checkHeaders(init.headers),
    onError: assertFunction("onError", init.onError ?? reportOnConsole),
  };
}

function checkHeaders(init: HeadersInit | undefined): Headers {
  let headers: Headers;
  try {
    headers = new Headers(init);
  } catch (error) {
    throw new CometError("ERR_RESPONSE", `The headers cannot be sent: ${(error as Error).message}`, { cause: error });
  }
  for (const name of ["content-length", "transfer-encoding"]) {
    if (headers.has(name)) {
      throw new CometError(
        "ERR_RESPONSE",
        `A chunked response has no ${name} of the application's: its length is unknown.`,
      );
    }
  }
  return headers;
}

/** Adds what a chunked response carries by default to `headers`, but nothing that they or `others` have already. */
export function addDefaultHeaders(
  headers: Headers,
  kind: ElementKind | undefined,
  others: (name: string) => boolean = () => false,
): void {
  const add = (name: string, value: string): void => {
    if (!headers.has(name) && !others(name)) headers.set(name, value);
  };
  if (kind !== undefined) add("content-type", contentTypes[kind]);
  add("cache-control", "no-store, no-transform");
  add("x-content-type-options", "nosniff");
  add("x-accel-buffering", "no");
  if (/^text\/html\b/i.test(headers.get("content-type") ?? ""))
    add("content-security-policy", "frame-ancestors 'self'");
}
