import type { IncomingMessage } from "node:http";

/**
 * Whether a request is none that a page of another site made a browser send. Browsers say with every POST where it comes
 * from; what says nothing is no browser, and nobody's cookies or network are misused by it.
 */
export function isSameOrigin({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
