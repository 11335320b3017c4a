/**
 * The headers of the answers of this surface.
 *
 * The content of a stream is what its writers made of it, and its type is theirs as well. A browser that opens a stream must run nothing of
 * it in the origin of the application: keep the policies below on every answer.
 */

import type { CometError } from "../../core/errors.ts";
import type { Answer } from "../../hub/admission/answer.ts";
import type { ScreenedRequest } from "../../hub/admission/gate.ts";
import { refusal } from "../../hub/admission/refusal.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import { StreamProblem } from "./problem.ts";

const METHODS = "GET, HEAD, PUT, POST, DELETE, OPTIONS";
const POLICY = "default-src 'none'; frame-ancestors 'self'; sandbox";

/** The headers that a page of another origin may send, and those that it may see. */
const REQUEST_HEADERS = [
  "Authorization",
  "Content-Type",
  "If-None-Match",
  "Producer-Epoch",
  "Producer-Id",
  "Producer-Seq",
  "Stream-Closed",
  "Stream-Expires-At",
  "Stream-Fork-Offset",
  "Stream-Fork-Sub-Offset",
  "Stream-Forked-From",
  "Stream-Seq",
  "Stream-TTL",
].join(", ");
const ANSWER_HEADERS = [
  "ETag",
  "Location",
  "Producer-Epoch",
  "Producer-Expected-Seq",
  "Producer-Received-Seq",
  "Producer-Seq",
  "Retry-After",
  "Stream-Closed",
  "Stream-Cursor",
  "Stream-Expires-At",
  "Stream-Next-Offset",
  "Stream-SSE-Data-Encoding",
  "Stream-TTL",
  "Stream-Up-To-Date",
].join(", ");

/** The values of headers by name. One without a value is left out. */
export type HeaderValues = Readonly<Record<string, string | false | undefined>>;

/** Returns the headers of an answer: the given ones, those of the application, and the defaults. */
export function answerHeaders({ headers: given, crossOrigin }: ScreenedRequest, values: HeaderValues): Headers {
  const headers = new Headers({ "cache-control": "no-store" });
  for (const [name, value] of Object.entries(values)) if (typeof value === "string") headers.set(name, value);
  addDefaults(headers, crossOrigin);
  given?.forEach((value, name) => headers.set(name, value));
  return headers;
}

function addDefaults(headers: Headers, crossOrigin: Headers | undefined): void {
  headers.set("x-content-type-options", "nosniff");
  headers.set("content-security-policy", POLICY);
  headers.set("cross-origin-resource-policy", "same-origin");
  crossOrigin?.forEach((value, name) => headers.set(name, value));
  if (headers.has("access-control-allow-origin")) headers.set("access-control-expose-headers", ANSWER_HEADERS);
}

/** Returns the answer to `OPTIONS`. Only an origin of the hub's `cors` is allowed to read it. */
export function preflightAnswer(screened: ScreenedRequest): Answer {
  const headers = answerHeaders(screened, {
    allow: METHODS,
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": REQUEST_HEADERS,
    "access-control-max-age": "600",
  });
  return { status: 204, headers, body: "" };
}

/** Returns the answer to a request that is refused. */
export function problemAnswer(
  { settings, capacity }: SurfaceAccess,
  error: CometError,
  options: RequestOptions,
  crossOrigin: Headers | undefined,
): Answer {
  const answer = refusal(error, undefined, settings, options, capacity.retryAfterMs);
  addDefaults(answer.headers, crossOrigin);
  if (error.code === "ERR_METHOD") answer.headers.set("allow", METHODS);
  if (error instanceof StreamProblem) {
    for (const [name, value] of Object.entries(error.headers)) answer.headers.set(name, value);
  }
  return answer;
}
