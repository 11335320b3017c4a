import { readFileSync } from "node:fs";
import { ALLOWED_ORIGIN } from "./hostile-values.ts";
import type { RawAnswer } from "./answer-reader.ts";

/** The answers of PROTOCOL.md, section 7: a status and a code. */
const coded: ReadonlySet<string> = new Set(
  Array.from(
    readFileSync(new URL("../../../PROTOCOL.md", import.meta.url), "utf8").matchAll(/^\| (\d{3}) \| `(ERR_\w+)`/gm),
    ([, status, code]) => `${status} ${code}`,
  ),
);

/** The statuses that Node's HTTP server sends by itself, without a body. */
const ofNode: ReadonlySet<number> = new Set([400, 408, 413, 417, 431]);

/** The names of headers that an answer may have. Any other name may have been injected. */
const known: ReadonlySet<string> = new Set(
  (
    "accept-ranges access-control-allow-credentials access-control-allow-headers access-control-allow-methods " +
    "access-control-allow-origin access-control-expose-headers access-control-max-age allow cache-control connection " +
    "content-length content-security-policy content-type cross-origin-resource-policy date keep-alive retry-after " +
    "transfer-encoding vary www-authenticate x-accel-buffering x-content-type-options"
  ).split(" "),
);

/** The kind of an answer, for the count, and its fault. */
export interface Verdict {
  readonly kind: string;
  readonly violation?: string;
}

/** Judges one answer of the server of `requests`. */
export function judge({ status, head, body, isComplete }: RawAnswer): Verdict {
  const headers = headersOf(head);
  const kind = String(status);
  const wrong = (what: string): Verdict => ({ kind, violation: `${what}\n${head}\n\n${body.slice(0, 500)}` });
  const unknown = [...headers.keys()].filter((name) => !known.has(name));
  if (unknown.length > 0) return wrong(`The headers ${unknown.join(", ")} are unknown.`);
  const origin = headers.get("access-control-allow-origin");
  if (origin !== undefined && origin !== ALLOWED_ORIGIN) return wrong("Another origin is allowed.");
  if (status === 100) return { kind: "100 by Node" };
  const type = headers.get("content-type");
  if (status === 200) {
    if (type === undefined) return wrong("A stream has no content type.");
    const isSafe =
      headers.get("cache-control")?.includes("no-store") === true &&
      headers.get("x-content-type-options") === "nosniff";
    return isSafe
      ? { kind: `200 ${type.split(";", 1).join()}` }
      : wrong("A stream has not the headers that protect it.");
  }
  if (status === 204) return { kind: "204 preflight" };
  if (status < 400) return wrong("There is no such answer.");
  if (type === undefined)
    return ofNode.has(status) && body === "" ? { kind: `${status} by Node` } : wrong("There is no code.");
  if (body === "") return { kind: `${status} to HEAD, or cut` };
  if (!isComplete) return { kind: `${status} cut` };
  const code = codeOf(type, status, body);
  if (code === undefined) return wrong("The body is no problem.");
  return coded.has(`${status} ${code}`)
    ? { kind: `${status} ${code}` }
    : wrong(`${status} ${code} is not in PROTOCOL.md.`);
}

function headersOf(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

/** Returns the code of a problem, which is JSON or an HTML document; `undefined` if the body is no problem. */
function codeOf(type: string, status: number, body: string): string | undefined {
  const shown = /<pre>([^<]*)<\/pre>/.exec(body);
  const text = type.startsWith("text/html") ? unescape(shown?.[1] ?? "") : body;
  try {
    const problem = JSON.parse(Buffer.from(text, "latin1").toString("utf8")) as Record<string, unknown>;
    return problem["status"] === status ? String(problem["code"]) : undefined;
  } catch {
    return undefined;
  }
}

function unescape(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}
