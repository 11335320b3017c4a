import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { extname } from "node:path";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Answers a request. */
export type Route = (response: ServerResponse, query: URLSearchParams) => void;

/** A route to a file of `demo/pages/`, which is read now, once. */
export function file(name: string): Route {
  const body = readFileSync(new URL(`pages/${name}`, import.meta.url));
  const type = types[extname(name)];
  if (type === undefined) throw new TypeError(`No content type is known for ${name}.`);
  return (response) => {
    response.writeHead(200, { "content-type": type, "content-length": body.length, "cache-control": "no-cache" });
    response.end(body);
  };
}

/** Answers with one line of plain text. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": body.length });
  response.end(body);
}
