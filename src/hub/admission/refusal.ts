/**
 * The answer to a request that is rejected: PROTOCOL.md, section 7.
 *
 * Statuses, codes and the problem's members are bytes of the protocol; clients act on them. The text shown on comet
 * must stay escaped: its detail quotes the request.
 */

import type { CometError, CometErrorCode } from "../../core/errors.ts";
import { jittered } from "../../core/jitter.ts";
import { COMET_HEAD, managedScript, type ManagedListener } from "../../wire/comet-format.ts";
import { controlObject } from "../../wire/format.ts";
import type { Problem } from "../../wire/item.ts";
import { sseRefusal } from "../../wire/sse-format.ts";
import type { Answer } from "./answer.ts";
import type { HubSettings } from "../hub-settings.ts";
import { addPolicies, type RequestOptionsWithPolicy } from "./headers.ts";
import { isListener, type WireChoice } from "./wire-choice.ts";
import { Rejection } from "./rejection.ts";

const statuses: Partial<Record<CometErrorCode, number>> = {
  ERR_UNAUTHORIZED: 401,
  ERR_FORBIDDEN: 403,
  ERR_TOPIC_UNKNOWN: 404,
  ERR_TOPIC_EXPIRED: 410,
  ERR_PRODUCER_LOST: 403,
  ERR_CONFLICT: 409,
  ERR_ENDED: 409,
  ERR_BODY_SIZE: 413,
  ERR_METHOD: 405,
  ERR_ACCEPT: 406,
  ERR_QUERY: 414,
  ERR_RATE: 429,
  ERR_AUTHORIZE: 500,
  ERR_HANDLER: 500,
  ERR_TIMEOUT: 503,
  ERR_LIMIT: 503,
  ERR_CLOSED: 503,
  ERR_BROKER: 503,
  ERR_UNACKNOWLEDGED: 503,
};

const titles: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  414: "URI Too Long",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The statuses of refusals that are temporary. An `EventSource` would not reconnect after them. */
const temporary: ReadonlySet<number> = new Set([429, 503]);

/**
 * Returns the answer to a rejected request: PROTOCOL.md, section 7.
 *
 * @param choice The wire, as far as it is known. On comet the problem is an HTML document. A temporary failure on plain
 *   sse is a stream that ends at once.
 * @param retryAfterMs The retry delay in milliseconds for a temporary failure (429, 503) that has none of its own. It is
 *   rounded up to seconds, one at least.
 */
export function refusal(
  error: CometError,
  choice: WireChoice | undefined,
  settings: HubSettings,
  options: RequestOptionsWithPolicy,
  retryAfterMs: number,
): Answer {
  const status = statuses[error.code] ?? 400;
  // To a client, an application that does not decide in time is one that fails to decide.
  const code = error.code === "ERR_TIMEOUT" ? "ERR_AUTHORIZE" : error.code;
  const title = titles[status] ?? "Error";
  const ownMs = error instanceof Rejection ? error.retryAfterMs : undefined;
  const delayMs = ownMs ?? (temporary.has(status) ? retryAfterMs : undefined);
  const retryMs = delayMs === undefined ? undefined : Math.max(1000, Math.ceil(delayMs / 1000) * 1000);
  const problem: Problem = {
    type: `urn:comet-sockets:${code}`,
    title,
    status,
    code,
    detail: error.message,
    ...(retryMs === undefined ? {} : { retryMs }),
  };
  const headers = new Headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
  for (const name of ["content-security-policy", "cross-origin-resource-policy"]) {
    const given = new Headers(options.headers).get(name);
    if (given !== null) headers.set(name, given);
  }
  const document = choice?.wire === "comet" ? choice : undefined;
  const isHeard = document !== undefined && isListener(document, settings);
  const listener = isHeard && document.managed ? document : undefined;
  const target = isHeard ? document.target : undefined;
  addPolicies(headers, document && { target, hasScripts: listener !== undefined }, settings, options);
  if (choice?.wire === "sse" && !choice.managed && retryMs !== undefined && temporary.has(status)) {
    headers.set("content-type", "text/event-stream");
    return { status: 200, headers, body: sseRefusal(problem, jittered(retryMs)) };
  }
  if (status === 401) headers.set("www-authenticate", "Bearer");
  if (retryMs !== undefined) headers.set("retry-after", String(retryMs / 1000));
  if (document === undefined) {
    headers.set("content-type", "application/problem+json");
    return { status, headers, body: `${JSON.stringify(problem)}\n` };
  }
  headers.set("content-type", "text/html; charset=utf-8");
  const script = listener === undefined ? "" : errorScript(problem, listener, options.nonce);
  const shown = JSON.stringify(problem, undefined, 2).replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  return { status, headers, body: `${COMET_HEAD}<pre>${shown}</pre>\n${script}` };
}

/** The script that passes the problem to our client in the parent page. */
function errorScript(problem: Problem, listener: ManagedListener, nonce: string | undefined): string {
  return managedScript(listener, nonce, controlObject("error", problem));
}
