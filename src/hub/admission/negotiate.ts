import { CometError } from "../../core/errors.ts";
import type { Wire } from "../../wire/item.ts";

/** What each wire is called in `Accept`, in the order in which equals are preferred. */
const mediaTypes: readonly (readonly [Wire, string])[] = [
  ["ndjson", "application/x-ndjson"],
  ["ndjson", "application/ndjson"],
  ["sse", "text/event-stream"],
  ["comet", "text/html"],
  ["poll", "application/json"],
];

/** Requests that put a document in a window or frame (Fetch Metadata, 2.1). */
const documents = new Set(["document", "iframe", "frame"]);

/** Whether the answer will be shown in a window or frame. */
export function isForDocument(headers: { get(name: string): string | null }): boolean {
  return documents.has(headers.get("sec-fetch-dest") ?? "");
}

/** A media range of an `Accept` header. */
interface Range {
  readonly type: string;
  readonly weight: number;
}

/**
 * Chooses the wire by the headers of a request: PROTOCOL.md, section 3.
 *
 * @throws {CometError} `ERR_ACCEPT` if no wire is acceptable.
 */
export function acceptedWire(headers: { get(name: string): string | null }): Wire {
  if (isForDocument(headers)) return "comet";
  const accept = headers.get("accept");
  if (accept === null || accept.trim() === "") return "ndjson";
  const ranges = accept.split(",").map(parseRange);
  let best: { readonly wire: Wire; readonly weight: number; readonly specificity: number } | undefined;
  for (const [wire, type] of mediaTypes) {
    const { weight, specificity } = weightOf(type, ranges);
    // This one is not sent: it is only another name that a client may know ndjson by.
    if (weight === 0 || (type === "application/ndjson" && specificity < 2)) continue;
    if (best === undefined || weight > best.weight || (weight === best.weight && specificity > best.specificity)) {
      best = { wire, weight, specificity };
    }
  }
  if (best !== undefined) return best.wire;
  const types = mediaTypes.map(([, type]) => type).join(", ");
  throw new CometError("ERR_ACCEPT", `None of these is acceptable to the client: ${types}.`);
}

/** The weight of a media type: that of the most specific range that it matches (RFC 9110, 12.5.1). */
function weightOf(type: string, ranges: readonly Range[]): { weight: number; specificity: number } {
  const family = `${type.slice(0, type.indexOf("/"))}/*`;
  const patterns = ["*/*", family, type];
  for (let specificity = 2; specificity >= 0; specificity -= 1) {
    const matching = ranges.filter((range) => range.type === patterns[specificity]);
    if (matching.length > 0) return { weight: Math.max(...matching.map(({ weight }) => weight)), specificity };
  }
  return { weight: 0, specificity: 0 };
}

function parseRange(text: string): Range {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => /^q\s*=/.test(parameter));
  if (q === undefined) return { type, weight: 1 };
  const [, weight = "0"] = /^q\s*=\s*([01](?:\.\d*)?)$/.exec(q) ?? [];
  // What is not a weight accepts nothing.
  return { type, weight: Number(weight) <= 1 ? Number(weight) : 0 };
}
