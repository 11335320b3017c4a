/**
 * Makes random requests, valid and mutated, as bytes for a raw socket. The same random numbers make the same requests.
 */
import {
  ALLOWED_ORIGIN,
  badChunks,
  hostileAccept,
  hostileValue,
  plannedTopics,
  publishedTopics,
  randomBytes,
} from "./hostile-values.ts";
import type { Random } from "./random.ts";

/** The part of a request that is mutated. */
export type RequestKind = "usual" | "parameters" | "headers" | "target" | "method" | "body" | "bytes";

export interface MadeRequest {
  readonly kind: RequestKind;
  readonly bytes: Buffer;
}

type Pair = [name: string, value: string];

/** A request before it is bytes; all text is latin1. */
interface Draft {
  method: string;
  path: string;
  parameters: Pair[];
  fragment: string;
  version: string;
  headers: Pair[];
  body: string;
}

const wires = ["ndjson", "sse", "comet", "poll"];
const shares: readonly (readonly [RequestKind, number])[] = [
  ["usual", 0.46],
  ["parameters", 0.24],
  ["headers", 0.09],
  ["target", 0.04],
  ["method", 0.04],
  ["body", 0.07],
  ["bytes", 0.06],
];

export function makeRequest(random: Random): MadeRequest {
  const kind = kindOf(random);
  const draft = usual(random);
  if (kind === "parameters") repeat(random, () => mutateParameters(random, draft));
  else if (kind === "headers") repeat(random, () => mutateHeaders(random, draft));
  else if (kind === "target") mutateTarget(random, draft);
  else if (kind === "method") draft.method = random.pick(methods);
  else if (kind === "body") addBody(random, draft);
  const text = textOf(draft);
  return { kind, bytes: Buffer.from(kind === "bytes" ? mutateBytes(random, text) : text, "latin1") };
}

function kindOf(random: Random): RequestKind {
  let left = random.next();
  for (const [kind, share] of shares) {
    if (left < share) return kind;
    left -= share;
  }
  return "usual";
}

function repeat(random: Random, mutate: () => void): void {
  for (let count = random.pick([1, 1, 1, 2, 3]); count > 0; count -= 1) mutate();
}

function usual(random: Random): Draft {
  const parameters: Pair[] = Array.from({ length: random.pick([1, 1, 1, 2, 3, 8]) }, () => [
    "topic",
    topicName(random),
  ]);
  const wire = random.pick([...wires, undefined]);
  if (wire !== undefined) parameters.push(["wire", wire]);
  if (random.chance(0.2)) parameters.push(["mode", random.pick(["plain", "managed"])]);
  if (wire === "comet" && random.chance(0.5)) parameters.push(["callback", `comet${random.whole(0, 50)}`]);
  if (random.chance(0.05)) parameters.push(["target", ALLOWED_ORIGIN], ["mode", "managed"]);
  if (random.chance(0.3)) parameters.push(["from", random.pick(["newest", "oldest"])]);
  if (random.chance(0.5)) parameters.push(["wait", "0"]);
  if (random.chance(0.2)) parameters.push(["lastEventId", positionOf(random)]);
  if (random.chance(0.05)) parameters.push(["name", random.pick(["ada", "", "x".repeat(201), "%00", "%ed%a0%80"])]);
  const headers: Pair[] = [["Host", "soak"]];
  if (random.chance(0.5))
    headers.push(["Accept", random.pick(["*/*", "text/event-stream", "text/html", "application/json"])]);
  if (random.chance(0.1)) headers.push(["Sec-Fetch-Dest", random.pick(["document", "iframe", "empty"])]);
  if (random.chance(0.1)) headers.push(["Last-Event-ID", positionOf(random)]);
  if (random.chance(0.2)) headers.push(["Origin", random.pick([ALLOWED_ORIGIN, "https://evil.example", "null"])]);
  if (random.chance(0.1)) headers.push(["Connection", random.pick(["close", "keep-alive", "Close, X"])]);
  return {
    method: random.chance(0.93) ? "GET" : random.pick(["HEAD", "OPTIONS"]),
    path: "/",
    parameters,
    fragment: "",
    version: random.chance(0.95) ? "HTTP/1.1" : "HTTP/1.0",
    headers,
    body: "",
  };
}

function topicName(random: Random): string {
  if (random.chance(0.78)) return random.pick(publishedTopics);
  return random.chance(0.5) ? random.pick(plannedTopics) : `other${random.whole(0, 5000)}`;
}

function positionOf(random: Random): string {
  return `${random.pick(publishedTopics)}=${random.pick(["x", "abc123", "0"])}.${random.whole(0, 1000)}`;
}

function mutateParameters(random: Random, draft: Draft): void {
  const { parameters } = draft;
  const at = random.whole(0, parameters.length - 1);
  const one = parameters[at] as Pair;
  const mutations: readonly (() => void)[] = [
    () => (one[1] = hostileValue(random)),
    () => (one[1] = hostileValue(random)),
    () =>
      parameters.push([
        random.pick(["from", "wire", "mode", "callback", "target", "wait", "lastEventId"]),
        hostileValue(random),
      ]),
    () => parameters.push([...one]),
    () => parameters.push([one[0], hostileValue(random)]),
    () => parameters.splice(at, 1, [random.pick([one[0].toUpperCase(), hostileValue(random), `${one[0]}[]`]), one[1]]),
    () => parameters.push(...Array.from({ length: random.whole(20, 120) }, (_, i): Pair => ["topic", `many${i}`])),
    () => (one[1] = percentEncoded(one[1])),
    () => (draft.fragment = random.pick(["#", "#x", "#?topic=t1", "&", "&&&", "?", "?a?b", ";", "=", "&=", "&=&"])),
    () => void parameters.splice(at, parameters.length > 1 ? 1 : 0),
  ];
  random.pick(mutations)();
}

function percentEncoded(text: string): string {
  return Array.from(text, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");
}

const lengths = [
  "0",
  "5",
  "-1",
  "+5",
  "abc",
  "0x10",
  "",
  " 7 ",
  "1e3",
  "5, 5",
  "5,6",
  "99999999999999999999",
  "9007199254740993",
  "\x005",
];
const codings = [
  "chunked",
  "Chunked",
  "gzip, chunked",
  "chunked, gzip",
  "identity",
  "chunked, chunked",
  "x",
  "",
  "chunk\x00ed",
];

function mutateHeaders(random: Random, draft: Draft): void {
  const { headers } = draft;
  const value = (): string => hostileValue(random);
  const mutations: readonly (() => void)[] = [
    () => headers.push(["Accept", hostileAccept(random)]),
    () => void headers.splice(0, headers.length, ["Host", "soak"], ["Accept", hostileAccept(random)]),
    () => headers.push(["Last-Event-ID", value()]),
    () => headers.push(["Origin", value()]),
    () => headers.push(["Sec-Fetch-Dest", value()]),
    () => headers.push(["Content-Length", random.pick(lengths)]),
    () => headers.push(["Transfer-Encoding", random.pick(codings)]),
    () => headers.push(["Content-Length", "5"], ["Transfer-Encoding", "chunked"]),
    () => headers.push(["Expect", random.pick(["100-continue", "100-Continue", "200-ok", ""])]),
    () => headers.push(["Upgrade", random.pick(["websocket", "h2c", "x"])], ["Connection", "Upgrade, HTTP2-Settings"]),
    () => headers.push(["Connection", random.pick(["upgrade", "keep-alive, close", "", ",", "Host", value()])]),
    () => headers.push([...random.pick<Pair>([["Host", "other"], ...headers])]),
    () => void headers.shift(),
    () => headers.push(["X-Folded", `a${random.pick(["\r\n ", "\n ", "\r\n\t", "\r ", "\n"])}b`]),
    () =>
      headers.push([random.pick(["", " ", "X Y", "X\x00", "\xe9", "X:", "(x)", "__proto__", "constructor"]), value()]),
    () => headers.push(["Cookie", value()]),
    () => headers.push(["X", random.pick(["\x00", "a\x00b", "\x7f", "\x01", "\xff", "caf\xe9", "a\rb"])]),
    () => headers.push(...Array.from({ length: random.magnitude(10, 3000) }, (_, i): Pair => [`X-${i}`, "1"])),
    () => headers.push(["X-Long", "x".repeat(random.magnitude(1000, 40_000))]),
    () =>
      (draft.version = random.pick([
        "HTTP/1.0",
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/3",
        "http/1.1",
        "HTTP/1.10",
        "HTTP",
        "",
        "ICE/1.0",
        "RTSP/1.0",
      ])),
  ];
  random.pick(mutations)();
}

const methods =
  "HEAD OPTIONS POST PUT PATCH DELETE TRACE CONNECT PROPFIND SEARCH M-SEARCH PRI SOURCE QUERY get GETT G".split(" ");

function mutateTarget(random: Random, draft: Draft): void {
  const { parameters } = draft;
  const mutations: readonly (() => void)[] = [
    () =>
      (draft.path = random.pick([
        "http://soak/",
        "http://evil.example/",
        "https://x:99999/",
        "http://",
        "HTTP://[::1]/",
        "http://a b/",
      ])),
    () => Object.assign(draft, { path: "*", parameters: [], method: random.pick(["OPTIONS", "GET", "HEAD"]) }),
    () =>
      Object.assign(draft, {
        path: random.pick(["soak:443", "", "//", "///x", "/../../etc/passwd", "/%", "/%00", "/a%2fb", "\\"]),
      }),
    () => (draft.path = `/${randomBytes(random, random.whole(1, 20))}`),
    () => (draft.path = `/${"x".repeat(random.magnitude(10, 40_000))}`),
    () => (draft.path = random.pick([" /", "/ ", "/\t", "/ /", "/\x00", "/\xe9", "/?topic=t2&x=/"])),
    () => void parameters.splice(0, parameters.length, [hostileValue(random), hostileValue(random)]),
    () => void parameters.splice(0),
  ];
  random.pick(mutations)();
}

function addBody(random: Random, draft: Draft): void {
  const { headers } = draft;
  if (random.chance(0.3)) draft.method = random.pick(["POST", "PUT", "OPTIONS", "HEAD"]);
  if (random.chance(0.2)) headers.push(["Expect", "100-continue"]);
  const body = random
    .pick(["x", "{}", "topic=t1", randomBytes(random, 30), "GET / HTTP/1.1\r\n\r\n"])
    .repeat(random.magnitude(1, 3000));
  const mutations: readonly (() => void)[] = [
    () => (headers.push(["Content-Length", String(body.length)]), (draft.body = body)),
    // The body is shorter or longer than its length: the server waits, or takes the rest for the next request.
    () => (headers.push(["Content-Length", String(random.magnitude(1, 1e9))]), (draft.body = body)),
    () => (headers.push(["Transfer-Encoding", "chunked"]), (draft.body = chunked(random, body))),
    () => (headers.push(["Transfer-Encoding", "chunked"]), (draft.body = random.pick(badChunks))),
    () => (draft.body = body),
  ];
  random.pick(mutations)();
}

function chunked(random: Random, body: string): string {
  let text = "";
  for (let at = 0; at < body.length;) {
    const size = random.magnitude(1, body.length - at);
    text += `${size.toString(16)}${random.pick(["", "", ";x=y"])}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return `${text}0\r\n${random.pick(["", "", "X-Trailer: 1\r\n", "Host: evil\r\n"])}\r\n`;
}

/** Changes, inserts, removes and repeats bytes, changes line ends, and cuts the request off. */
function mutateBytes(random: Random, text: string): string {
  let mutated = text;
  for (let count = random.magnitude(1, 8); count > 0; count -= 1) {
    const at = random.whole(0, mutated.length);
    const [before, after] = [mutated.slice(0, at), mutated.slice(at)];
    const byte = String.fromCharCode(random.whole(0, 255));
    const mutations: readonly (() => string)[] = [
      () => before + byte + after.slice(1),
      () => before + byte + after,
      () => before + after.slice(random.whole(1, 4)),
      () => before + after.slice(0, 20) + after,
      () => before + random.pick(["\r\n", "\n", "\r", "\r\n\r\n", "\x00", ":", " "]) + after,
      () => mutated.replaceAll("\r\n", random.pick(["\n", "\r", "\r\r\n"])),
      () => before,
    ];
    mutated = random.pick(mutations)();
  }
  return mutated;
}

function textOf({ method, path, parameters, fragment, version, headers, body }: Draft): string {
  const query = parameters.map(([name, value]) => `${name}=${value}`).join("&");
  const target = `${path}${query === "" ? "" : `?${query}`}${fragment}`;
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `${method} ${target} ${version}\r\n${lines}\r\n${body}`;
}
