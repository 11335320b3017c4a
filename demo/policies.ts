import { createHash } from "node:crypto";

/** The Content-Security-Policy of the pages and everything they load: from this server only, and nothing inline. */
export const PAGE_POLICY: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The policy of a comet socket all of whose scripts carry `nonce`. */
export function noncePolicy(nonce: string): string {
  return cometPolicy([`'nonce-${nonce}'`]);
}

/** The policy of a document that may run exactly the scripts with these texts, which therefore need no nonce. */
export function hashPolicy(scripts: readonly string[]): string {
  return cometPolicy(scripts.map((text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`));
}

function cometPolicy(scriptSources: readonly string[]): string {
  // The image is the tab's icon: Firefox requests it when a comet socket is opened on its own, and logs an error if it is blocked.
  return `default-src 'none'; script-src ${scriptSources.join(" ")}; img-src 'self'; frame-ancestors 'self'`;
}
