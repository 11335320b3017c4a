/**
 * Content negotiation: which wire answers a request that does not name one, and whether the client takes gzip.
 *
 * PROTOCOL.md, section 3, fixes the result. Plain pages, `EventSource` and curl depend on it, so neither the order of
 * `mediaTypes` nor the precedence of `Sec-Fetch-Dest` over `Accept` may change.
 */

import { CometError } from "../../core/errors.ts";
import type { Wire } from "../../wire/item.ts";

/** The media types of each wire, in order of preference among equal weights. */
const mediaTypes: readonly (readonly [Wire, string])[] = [
  ["ndjson", "application/x-ndjson"],
  ["ndjson", "application/ndjson"],
  ["sse", "text/event-stream"],
  ["comet", "text/html"],
  ["poll", "application/json"],
];

/** The `Sec-Fetch-Dest` values of requests that load a document into a window or frame (Fetch Metadata, 2.1). */
const documents = new Set(["document", "iframe", "frame"]);

/** Returns whether the answer will be shown in a window or frame. */
export function isForDocument(headers: { get(name: string): string | null }): boolean {
  return documents.has(headers.get("sec-fetch-dest") ?? "");
}

/** The longest `Accept` and `Accept-Encoding` that are read, in characters. Browsers send about 150. */
const MAX_ACCEPT_LENGTH = 2048;

/** The weights of the media ranges or codings of a header: the highest one of each. */
type Weights = ReadonlyMap<string, number>;

/**
 * Chooses the wire by the headers of a request: PROTOCOL.md, section 3.
 *
 * @throws {CometError} `ERR_ACCEPT` if no wire is acceptable.
 */
export function acceptedWire(headers: { get(name: string): string | null }): Wire {
  if (isForDocument(headers)) return "comet";
  const accept = headers.get("accept");
  if (accept === null || accept.trim() === "") return "ndjson";
  if (accept.length > MAX_ACCEPT_LENGTH) {
    throw new CometError("ERR_ACCEPT", `Accept must have at most ${MAX_ACCEPT_LENGTH} characters.`);
  }
  const weights = parseAccept(accept);
  let best: { readonly wire: Wire; readonly weight: number; readonly specificity: number } | undefined;
  for (const [wire, type] of mediaTypes) {
    const { weight, specificity } = weightOf(type, weights);
    // A client may know ndjson by this second name, but the hub never sends it: a wildcard does not select it.
    if (weight === 0 || (type === "application/ndjson" && specificity < 2)) continue;
    if (best === undefined || weight > best.weight || (weight === best.weight && specificity > best.specificity)) {
      best = { wire, weight, specificity };
    }
  }
  if (best !== undefined) return best.wire;
  const types = mediaTypes.map(([, type]) => type).join(", ");
  throw new CometError("ERR_ACCEPT", `The client accepts no wire of this server. It offers ${types}.`);
}

/**
 * Returns whether a client takes gzip at least as gladly as no coding (RFC 9110, 12.5.3). One that says nothing does not.
 *
 * @param accept The header `Accept-Encoding`.
 */
export function acceptsGzip(accept: string | null): boolean {
  if (accept === null || accept.length > MAX_ACCEPT_LENGTH) return false;
  const weights = parseAccept(accept);
  const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0;
  return gzip > 0 && gzip >= (weights.get("identity") ?? 0);
}

/** Returns the weight of a media type: that of the most specific range that matches (RFC 9110, 12.5.1). */
function weightOf(type: string, weights: Weights): { weight: number; specificity: number } {
  const family = `${type.slice(0, type.indexOf("/"))}/*`;
  const patterns = ["*/*", family, type];
  for (let specificity = 2; specificity >= 0; specificity -= 1) {
    const weight = weights.get(patterns[specificity] as string);
    if (weight !== undefined) return { weight, specificity };
  }
  return { weight: 0, specificity: 0 };
}

function parseAccept(accept: string): Weights {
  const weights = new Map<string, number>();
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    weights.set(type, Math.max(weights.get(type) ?? 0, weightIn(parameters)));
  }
  return weights;
}

function weightIn(parameters: readonly string[]): number {
  const q = parameters.find((parameter) => /^q\s*=/.test(parameter));
  if (q === undefined) return 1;
  const [, weight = "0"] = /^q\s*=\s*([01](?:\.\d*)?)$/.exec(q) ?? [];
  // A malformed weight accepts nothing.
  return Number(weight) <= 1 ? Number(weight) : 0;
}
