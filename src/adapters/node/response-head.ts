/** Puts the headers of a hub on Node's responses, together with those that the application has set there. */

import { checkInit } from "../../http/init.ts";
import type { RequestOptionsWithPolicy } from "../../hub/admission/headers.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { headerOf, type NodeResponse } from "./node-response.ts";

/** Sets the status and the headers of a response. */
export function setHead(response: NodeResponse, status: number, headers: Headers): void {
  for (const [name, value] of Object.entries(headObject(headers))) response.setHeader(name, value);
  response.statusCode = status;
}

/** Headers as Node takes them: each cookie is a header of its own. */
type Head = { readonly [name: string]: string | string[] };

/** The last headers that were turned into an object, and the object. Most streams of a hub have the same headers. */
let lastHeaders: Headers | undefined;
let lastHead: Head;

/** Returns headers as an object, which is not to be changed. */
export function headObject(headers: Headers): Head {
  if (headers === lastHeaders) return lastHead;
  const head: { [name: string]: string | string[] } = Object.fromEntries(headers);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) head["set-cookie"] = cookies;
  lastHeaders = headers;
  lastHead = head;
  return head;
}

/**
 * Adds headers that the application has set on the response, of those that the hub sets too, unless `options` name
 * them. Policies are kept apart, since those that a middleware sets for pages would block the comet wire.
 */
export function withHeadersOf(response: NodeResponse, options: RequestOptions): RequestOptionsWithPolicy {
  // Nearly always there are none, and this is the fast path.
  if (response.getHeaderNames().length === 0) return options;
  const { headers } = checkInit(options.headers === undefined ? {} : { headers: options.headers });
  for (const name of hubHeaders) {
    const value = headerOf(response, name);
    if (value !== undefined && !headers.has(name)) headers.set(name, value);
  }
  const inherited = (name: string): string | undefined => response.getHeader(name)?.toString();
  return {
    ...options,
    headers,
    inheritedPolicy: inherited("content-security-policy"),
    inheritedResourcePolicy: inherited("cross-origin-resource-policy"),
  };
}

/** The headers that the hub sets unless the application does. */
const hubHeaders = [
  "cache-control",
  "content-encoding",
  "content-type",
  "vary",
  "x-accel-buffering",
  "x-content-type-options",
];
