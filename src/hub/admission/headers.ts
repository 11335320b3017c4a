/**
 * The headers of every response of a hub: PROTOCOL.md, section 4.
 *
 * A header in the options of a request is the application's word and is kept. A `Content-Security-Policy` that a
 * middleware has set on the response is meant for pages: on comet the hub sends its own instead, since that one would
 * block the scripts of the stream. docs/decisions/0017 has the reasons.
 */

import { CometError } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import { addDefaultHeaders } from "../../http/init.ts";
import type { RequestOptions } from "../request-options.ts";

/** The options of a request, and the policies that were set on its response before the handler was called. */
export interface RequestOptionsWithPolicy extends RequestOptions {
  readonly inheritedPolicy?: string | undefined;
  readonly inheritedResourcePolicy?: string | undefined;
}

/** The document of a response of comet. */
export interface CometDocument {
  /** The origin of the page around, if it is another that the hub allows. */
  readonly target: string | undefined;
  readonly hasScripts: boolean;
}

const FRAMES = "frame-ancestors 'self'";
const frameAncestors = /(?:^|[;,])\s*(frame-ancestors\s[^;,]*)/i;
const POLICY = "content-security-policy";
const RESOURCE_POLICY = "cross-origin-resource-policy";

/** The settings of a hub, as far as headers need them. */
interface Settings {
  readonly onError: OnError;
}

/** The hubs that have reported a policy that blocks the scripts of comet. */
const reported = new WeakSet<Settings>();

/** Adds the headers of a stream to those of the application, which take precedence. */
export function addStreamHeaders(
  headers: Headers,
  contentType: string,
  document: CometDocument | undefined,
  settings: Settings,
  options: RequestOptionsWithPolicy,
  crossOrigin: Headers | undefined,
): void {
  crossOrigin?.forEach((value, name) => (name === "vary" ? headers.append(name, value) : headers.set(name, value)));
  headers.append("vary", "Accept, Sec-Fetch-Dest");
  if (!headers.has("content-type")) headers.set("content-type", contentType);
  addPolicies(headers, document, settings, options);
  addDefaultHeaders(headers, undefined);
}

/**
 * Adds the policies on who may run, frame and embed a response, unless the headers have them.
 *
 * @param headers Those of the application, or of a refusal.
 * @param document The document, on comet.
 */
export function addPolicies(
  headers: Headers,
  document: CometDocument | undefined,
  settings: Settings,
  { nonce, inheritedPolicy, inheritedResourcePolicy }: RequestOptionsWithPolicy,
): void {
  const given = headers.get(POLICY);
  if (given === null) {
    const inherited = frameAncestors.exec(inheritedPolicy ?? "")?.[1]?.trim();
    if (document === undefined) {
      const own = inherited === undefined ? [FRAMES] : [];
      // Two policies in one header count both.
      headers.set(POLICY, [...(inheritedPolicy === undefined ? [] : [inheritedPolicy]), ...own].join(", "));
    } else {
      // A page that nobody may frame says nothing about a document that is made for a frame.
      const frames = inherited === undefined || inherited.endsWith("'none'") ? FRAMES : inherited;
      const all = document.target === undefined ? frames : `${frames} ${document.target}`;
      headers.set(POLICY, `${documentPolicy(document.hasScripts, nonce)}; ${all}`);
    }
  } else if (document?.hasScripts === true && blocksScripts(given, nonce) && !reported.has(settings)) {
    reported.add(settings);
    settings.onError(
      new CometError(
        "ERR_OPTION",
        "The Content-Security-Policy in the headers of a request blocks the scripts of the comet wire: leave it out, or give the nonce that it allows.",
      ),
    );
  }
  // Only a page that isolates itself checks it for a frame (`Cross-Origin-Embedder-Policy`).
  if (!headers.has(RESOURCE_POLICY)) {
    headers.set(
      RESOURCE_POLICY,
      document?.target !== undefined ? "cross-origin" : (inheritedResourcePolicy ?? "same-origin"),
    );
  }
}

/** The policy of a comet document, which has nothing but the hub's own scripts. */
function documentPolicy(hasScripts: boolean, nonce: string | undefined): string {
  const source = nonce === undefined ? "'unsafe-inline'" : `'nonce-${nonce}'`;
  return `default-src 'none'; ${hasScripts ? `script-src ${source}; ` : ""}base-uri 'none'; form-action 'none'`;
}

/** Whether a policy surely blocks the inline scripts of a comet document. */
function blocksScripts(policies: string, nonce: string | undefined): boolean {
  return policies.split(",").some((policy) => {
    const directives = new Map<string, string>();
    for (const directive of policy.split(";")) {
      const [name = "", ...sources] = directive.trim().split(/\s+/);
      if (!directives.has(name.toLowerCase())) directives.set(name.toLowerCase(), sources.join(" "));
    }
    const allowed = directives.get("script-src-elem") ?? directives.get("script-src") ?? directives.get("default-src");
    // With hashes the application has looked at the scripts itself.
    if (allowed === undefined || /'sha(?:256|384|512)-/i.test(allowed)) return false;
    if (nonce !== undefined && allowed.includes(`'nonce-${nonce}'`)) return false;
    return !/'unsafe-inline'/i.test(allowed) || /'nonce-|'strict-dynamic'/i.test(allowed);
  });
}
