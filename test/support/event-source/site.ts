import { build } from "esbuild";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { EventSourceCase, Exchange, SourceKind } from "./case.ts";

/** A request as `requests` of a case shows it. */
interface RequestRecord {
  readonly path: string;
  readonly method: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly lastEventId: string;
  readonly at: number;
  isClosed: boolean;
}

/** One run of a case: its requests, and the functions that wait for more of them. */
interface Run {
  readonly requests: RequestRecord[];
  readonly responses: ServerResponse[];
  readonly waiting: Set<() => void>;
}

/** The page of the suite and the streams of its cases, on two origins. */
export interface EventSourceSite {
  readonly origin: string;
  readonly other: string;
  readonly close: () => Promise<void>;
}

const TYPES: Readonly<Record<SourceKind, string>> = {
  EventSource: "text/event-stream",
  sse: "text/event-stream",
  ndjson: "application/x-ndjson",
};

/** Serves the streams of cases at `/run/INDEX/KIND/ID/PATH`, where each ID is a run of its own. */
export async function eventSourceSite(cases: readonly EventSourceCase[]): Promise<EventSourceSite> {
  const script = await pageScript();
  const runs = new Map<string, Run>();

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://site.test");
    const [, , index, kind, id = "", path = ""] = pathname.split("/");
    if (!pathname.startsWith("/run/")) sendPage(response, pathname, "");
    else if (path === "frame") sendPage(response, path, searchParams.get("base") ?? "");
    else {
      const run = runs.get(id) ?? { requests: [], responses: [], waiting: new Set() };
      runs.set(id, run);
      if (path === "code") response.end(cases[Number(index)]?.page);
      else if (path === "requests") sendRequests(response, run, searchParams);
      else answer(request, response, cases[Number(index)], run, kind as SourceKind, path, searchParams);
    }
  }

  function sendPage(response: ServerResponse, path: string, base: string): void {
    response.setHeader("connection", "close");
    const isScript = path === "/page.js";
    response.setHeader("content-type", `text/${isScript ? "javascript" : "html"}; charset=utf-8`);
    const tag = base && `<base href="${base}">`;
    const head = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>${tag}`;
    response.end(isScript ? script : `${head}<body>${" ".repeat(1024)}<script src="/page.js"></script>`);
  }

  const [first, second] = await Promise.all([listen(handle), listen(handle)]);
  return {
    origin: first.origin,
    other: second.origin,
    close: async () => {
      await Promise.all([first.close(), second.close()]);
    },
  };
}

/** Answers with the requests of a run, once there are as many as the query asks for. */
function sendRequests(response: ServerResponse, { requests, waiting }: Run, query: URLSearchParams): void {
  const check = (): void => {
    const closed = requests.filter(({ isClosed }) => isClosed).length;
    if (requests.length < Number(query.get("made")) || closed < Number(query.get("closed"))) return;
    waiting.delete(check);
    response.setHeader("cache-control", "no-store");
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(requests));
  };
  waiting.add(check);
  check();
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { serve = (exchange: Exchange) => exchange.send("data") }: Partial<EventSourceCase> = {},
  { requests, responses, waiting }: Run,
  kind: SourceKind,
  path: string,
  query: URLSearchParams,
): void {
  if (request.method === "OPTIONS") {
    const allowed = { "access-control-allow-origin": "*", "access-control-allow-headers": "last-event-id" };
    response.writeHead(204, allowed).end();
    return;
  }
  const header = Buffer.from(String(request.headers["last-event-id"] ?? ""), "latin1").toString();
  // A `CometSource` writes a space for each `%` of a position: PROTOCOL.md, section 3.
  const lastEventId = header || (query.get("lastEventId") ?? "").replaceAll(" ", "%");
  const record = {
    path,
    method: request.method,
    headers: request.headers,
    lastEventId,
    at: Date.now(),
    isClosed: false,
  };
  requests.push(record);
  const notify = (): void => {
    for (const check of waiting) check();
  };
  response.on("close", () => {
    record.isClosed = true;
    notify();
  });
  const exchange = createExchange(request, response, kind, path, lastEventId, requests, [...responses]);
  responses.push(response);
  if (path === "later") serveLater(exchange);
  else serve(exchange);
  notify();
}

/** Answers a source of `later()`: its first connection ends after the message. */
function serveLater({ send, end, attempt }: Exchange): void {
  send("data");
  if (attempt % 2 === 1) end();
}

function createExchange(
  request: IncomingMessage,
  response: ServerResponse,
  kind: SourceKind,
  path: string,
  lastEventId: string,
  requests: readonly RequestRecord[],
  earlier: readonly ServerResponse[],
): Exchange {
  let count = Number(/^t=e\.(\d+)$/.exec(lastEventId)?.[1] ?? 0);
  const position = /^\S+=e\.\d+$/.test(lastEventId) ? lastEventId : "t=e.0";
  const states = { t: lastEventId ? "recovered" : "fresh" };
  const opening = line(kind, { open: { states, position, heartbeatMs: 0 } });
  const exchange: Exchange = {
    kind,
    request,
    response,
    path,
    attempt: requests.filter((other) => other.path === path).length,
    earlier,
    lastEventId,
    opening,
    head: (headers) => {
      response.writeHead(200, { "content-type": TYPES[kind], ...headers });
      response.flushHeaders();
    },
    open: (headers) => {
      exchange.head(headers);
      response.write(kind === "EventSource" ? "retry: 10\n\n" : opening);
    },
    payload: (text, event) =>
      kind === "EventSource" ? text : JSON.stringify({ id: `t=e.${(count += 1)}`, event, data: text }),
    frame: (text, event) => {
      if (kind === "ndjson") return `${exchange.payload(text, event)}\n`;
      if (kind === "sse") return `data: ${exchange.payload(text, event)}\n\n`;
      const lines = text.split("\n").map((part) => `data: ${part}\n`);
      return `${event === undefined ? "" : `event: ${event}\n`}id: t=e.${(count += 1)}\n${lines.join("")}\n`;
    },
    batch: (...texts) => {
      const frames = texts.map((text) => exchange.frame(text));
      return kind === "sse" ? `${frames.map((frame) => frame.slice(0, -1)).join("")}\n` : frames.join("");
    },
    send: (text, event) => {
      if (!response.headersSent) exchange.open();
      response.write(exchange.frame(text, event));
    },
    write: (bytes) => {
      if (!response.headersSent) exchange.head();
      response.write(bytes);
    },
    end: () => void response.end(),
  };
  return exchange;
}

/** The bytes of an item that only a `CometSource` gets. */
function line(kind: SourceKind, item: object): string {
  if (kind === "EventSource") return "";
  return kind === "sse" ? `data: ${JSON.stringify(item)}\n\n` : `${JSON.stringify(item)}\n`;
}

async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ origin: string; close: () => Promise<void> }> {
  const server: Server = createServer({ keepAliveTimeout: 60_000 }, handle);
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket.setNoDelay().on("error", () => undefined)));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
    bundle: true,
    format: "iife",
    target: "es2022",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}
