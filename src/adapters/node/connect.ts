import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { CometError } from "../../core/errors.ts";
import type { Admission } from "../../hub/admission.ts";
import type { Connection } from "../../hub/connection.ts";
import type { Hub } from "../../hub/hub.ts";
import type { Refusal } from "../../hub/problem.ts";
import type { HubRequest } from "../../hub/hub-request.ts";
import type { ConnectOptions } from "../../hub/options.ts";
import { checkInit } from "../../http/init.ts";
import type { Sink } from "../../hub/subscription.ts";
import { openBatch, openStream } from "./response-sinks.ts";
import { isGone, type NodeResponse } from "./response.ts";
import { SocketSink } from "./socket-sink.ts";

/** A request of `node:http`, `node:https` or `node:http2` (its compatibility API). */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** How long a connection is silent before TCP asks whether the other side is there, in milliseconds. */
const KEEP_ALIVE_MS = 15_000;

/**
 * Answers a Node request by a hub: with a stream of the topics that it names, on the wire that it wants, or with a refusal
 * that says why. PROTOCOL.md has the details. Headers that were set on `response` before are kept, and `options.headers` come
 * before them. The stream ends when the client leaves, or by the hub.
 *
 * @returns Resolves once the stream has begun or the refusal is sent. Rejects with `ERR_OPTION`, `ERR_NONCE` or `ERR_RESPONSE` for bad
 *   `options`.
 */
export async function connect(
  hub: Hub,
  request: NodeRequest,
  response: NodeResponse,
  options: ConnectOptions = {},
): Promise<void> {
  if (response.headersSent) throw new CometError("ERR_RESPONSE", "The head of this response has been sent already.");
  const allOptions = withOwnHeaders(response, options);
  response.on("error", ignore);
  const refusal = await hub._connect(new RequestView(request), allOptions, (admission, open) => {
    if (!isGone(response)) enter(response, admission, open);
  });
  if (refusal === undefined || isGone(response)) return;
  setHead(response, refusal);
  // The answers to HEAD and to a preflight have no length to tell (RFC 9110, 8.6).
  if (refusal.body !== "") response.setHeader("content-length", Buffer.byteLength(refusal.body));
  response.end(refusal.body);
}

/** Errors of the connection mean that the client has gone; `close` follows and says so. */
function ignore(): void {
  // As above.
}

function enter(response: NodeResponse, admission: Admission, open: (sink: Sink) => Connection): void {
  if (admission.headOnly) {
    setHead(response, admission);
    response.end();
    return;
  }
  response.req.socket.setKeepAlive(true, KEEP_ALIVE_MS);
  if (admission.wire !== "poll" && SocketSink.fits(response, admission.headers)) {
    SocketSink.open(response, headObject(admission.headers), open);
    return;
  }
  setHead(response, admission);
  if (admission.wire === "poll") openBatch(response, open);
  else openStream(response, open);
}

function setHead(response: NodeResponse, { status, headers }: Admission | Refusal): void {
  for (const [name, value] of Object.entries(headObject(headers))) response.setHeader(name, value);
  response.statusCode = status;
}

/** Headers as Node takes them: each cookie is a header of its own. */
function headObject(headers: Headers): { [name: string]: string | string[] } {
  const head: { [name: string]: string | string[] } = Object.fromEntries(headers);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) head["set-cookie"] = cookies;
  return head;
}

/** With the headers that the hub sets as well, and that the application has set already, where `options` do not name them. */
function withOwnHeaders(response: NodeResponse, options: ConnectOptions): ConnectOptions {
  // Nearly always there is nothing to look for.
  if (response.getHeaderNames().length === 0) return options;
  const { headers } = checkInit(options.headers === undefined ? {} : { headers: options.headers });
  for (const name of ownHeaders) {
    const value = response.getHeader(name);
    if (value !== undefined && !headers.has(name)) headers.set(name, String(value));
  }
  return { ...options, headers };
}

/** What the hub sets where the application does not. */
const ownHeaders = [
  "cache-control",
  "content-security-policy",
  "content-type",
  "vary",
  "x-accel-buffering",
  "x-content-type-options",
];

/** A web-standard view of as much of a Node request as a hub looks at. */
class RequestView implements HubRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: HubRequest["headers"];

  constructor({ method = "GET", url = "/", headers }: NodeRequest) {
    this.method = method;
    this.url = url;
    this.headers = new HeadersView(headers);
  }
}

class HeadersView {
  readonly #headers: NodeRequest["headers"];

  constructor(headers: NodeRequest["headers"]) {
    this.#headers = headers;
  }

  get(name: string): string | null {
    const key = name.toLowerCase();
    const value = Object.hasOwn(this.#headers, key) ? this.#headers[key] : undefined;
    return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
  }
}
