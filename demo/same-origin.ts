import type { IncomingMessage } from "node:http";

/**
 * Whether a request is not a cross-site request from a browser. Browsers send the origin with every POST. A request without
 * one comes from another program, which cannot misuse a user's cookies or network.
 */
export function isSameOrigin({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
