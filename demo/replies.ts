import { readFileSync } from "node:fs";
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import { extname } from "node:path";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".map": "application/json",
};

/** Answers a request. */
export type Answer = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => void;

/** The methods of a path, and its answer. */
export interface Route {
  readonly methods: readonly string[];
  readonly answer: Answer;
}

/** A route for GET and HEAD. */
export function get(answer: Answer): Route {
  return { methods: ["GET", "HEAD"], answer };
}

/** A route for POST. */
export function post(answer: Answer): Route {
  return { methods: ["POST"], answer };
}

/** A route to a file, which is read once, at creation. */
export function file(url: URL): Route {
  const body = readFileSync(url);
  const type = types[extname(url.pathname)];
  if (type === undefined) throw new TypeError(`No content type is known for ${url.pathname}.`);
  return get((_, response) => {
    response.writeHead(200, { "content-type": type, "content-length": body.length, "cache-control": "no-cache" });
    response.end(body);
  });
}

/** Answers with one line of plain text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", `${text}\n`);
}

export function sendJson(response: ServerResponse, status: number, value: object): void {
  send(response, status, "application/json", JSON.stringify(value));
}

/** Answers with a problem of RFC 9457. */
export function sendProblem(response: ServerResponse, status: number, detail: string): void {
  const problem = { type: "about:blank", title: STATUS_CODES[status], status, detail };
  send(response, status, "application/problem+json", JSON.stringify(problem));
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  const headers = { "content-type": type, "content-length": body.length, "cache-control": "no-store" };
  response.writeHead(status, headers);
  response.end(body);
}
