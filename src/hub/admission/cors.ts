import type { Answer } from "./answer.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubRequest } from "../request-options.ts";

/**
 * Returns the CORS headers of a response: those of an allowed origin, `Vary` alone for another; `undefined` where the
 * hub has no `cors`.
 *
 * Origins come from the option's list and are never reflected otherwise. Keep `Vary: Origin` on every response, or a
 * cache serves one origin's answer to another.
 */
export function corsHeaders({ cors }: HubSettings, request: HubRequest): Headers | undefined {
  if (cors === undefined) return undefined;
  const headers = new Headers({ vary: "Origin" });
  const origin = request.headers.get("origin");
  if (origin === null || !cors.origins.has(origin)) return headers;
  headers.set("access-control-allow-origin", origin);
  if (cors.credentials) headers.set("access-control-allow-credentials", "true");
  headers.set("access-control-expose-headers", "Retry-After");
  return headers;
}

/** Returns the answer to a preflight. @param crossOrigin The headers of {@link corsHeaders}. */
export function preflight(crossOrigin: Headers): Answer {
  const headers = new Headers(crossOrigin);
  if (headers.has("access-control-allow-origin")) {
    headers.set("access-control-allow-methods", "GET, HEAD");
    headers.set("access-control-allow-headers", "Authorization, Last-Event-ID");
    headers.set("access-control-max-age", "600");
  }
  return { status: 204, headers, body: "" };
}
