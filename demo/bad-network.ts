import { request as sendRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { jsonObject } from "./chat.ts";
import { get, post, sendJson, sendProblem, type Answer, type Route } from "./replies.ts";
import { readBody } from "./request-body.ts";
import { isSameOrigin } from "./same-origin.ts";

const MAX_DELAY_MS = 10_000;
const MAX_BODY_BYTES = 1024;
/** The number of pages whose faults are kept. The oldest is forgotten. */
const MAX_PAGES = 100;
/** A connection that holds back more pieces than this is cut. */
const MAX_HELD = 1000;

/** The faults of one page's network. */
interface Faults {
  /** The delay of each piece of a response, in milliseconds. */
  delayMs: number;
  /** Whether the connections pass nothing on. */
  isStalled: boolean;
  /** Whether each new request is answered with a 502, as by a proxy whose server is away. */
  isDown: boolean;
  readonly links: Set<Link>;
}

/**
 * A proxy to this server's `/live` that does to the connections of one page what that page asks for: it cuts, stalls and
 * delays them, and refuses new ones.
 */
export class BadNetwork {
  /** The faults of each page, by its id. */
  readonly #pages = new Map<string, Faults>();

  /** The routes of the stream and of the faults. A page names itself by the parameter and the member `page`. */
  readonly routes: readonly [path: string, route: Route][] = [
    ["/network/live", get((request, response, query) => this.#pass(request, response, query))],
    ["/network/faults", post((request, response) => void this.#set(request, response).catch(() => response.destroy()))],
  ];

  #faultsOf(page: string): Faults {
    const faults = this.#pages.get(page) ?? { delayMs: 0, isStalled: false, isDown: false, links: new Set() };
    // It is the newest now.
    this.#pages.delete(page);
    this.#pages.set(page, faults);
    for (const oldest of this.#pages.keys()) if (this.#pages.size > MAX_PAGES) this.#pages.delete(oldest);
    return faults;
  }

  readonly #pass: Answer = (request, response, query) => {
    const page = query.get("page") ?? "";
    const faults = isPage(page) ? this.#faultsOf(page) : undefined;
    if (faults === undefined) sendProblem(response, 400, "page must be a UUID in lower case.");
    else if (faults.isDown) sendProblem(response, 502, "The server behind this proxy is away.");
    else new Link(request, response, query, faults);
  };

  async #set(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isSameOrigin(request)) {
      sendProblem(response, 403, "Only this server's own pages may change their network.");
      return;
    }
    const { page, cut, stalled, down, delayMs } = jsonObject((await readBody(request, MAX_BODY_BYTES)) ?? "");
    const isDelay = Number.isInteger(delayMs) && Number(delayMs) >= 0 && Number(delayMs) <= MAX_DELAY_MS;
    if (!isPage(page) || (delayMs !== undefined && !isDelay)) {
      sendProblem(response, 400, `page must be a UUID in lower case, and delayMs at most ${MAX_DELAY_MS}.`);
      return;
    }
    const faults = this.#faultsOf(page);
    if (delayMs !== undefined) faults.delayMs = Number(delayMs);
    if (typeof stalled === "boolean") faults.isStalled = stalled;
    if (typeof down === "boolean") faults.isDown = down;
    for (const link of faults.links) {
      if (cut === true || faults.isDown) link.cut();
      else link.flush();
    }
    sendJson(response, 200, { delayMs: faults.delayMs, stalled: faults.isStalled, down: faults.isDown });
  }
}

function isPage(page: unknown): page is string {
  return typeof page === "string" && /^[\da-f-]{36}$/.test(page);
}

/** One connection through the proxy. */
class Link {
  readonly #request: IncomingMessage;
  readonly #faults: Faults;
  /** The pieces that are on their way, each with the time of its arrival. */
  readonly #held: { readonly at: number; readonly arrive: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, query: URLSearchParams, faults: Faults) {
    this.#request = request;
    this.#faults = faults;
    faults.links.add(this);
    const { method, headers, socket } = request;
    const upstream = sendRequest({
      host: "127.0.0.1",
      port: socket.localPort,
      path: `/live?${query}`,
      method,
      headers: { ...headers, connection: "close" },
      agent: false,
    });
    upstream.on("response", (answer) => {
      const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...passed } = answer.headers;
      this.#hold(() => {
        response.writeHead(answer.statusCode ?? 502, passed);
        response.flushHeaders();
      });
      answer.on("data", (piece: Buffer) => this.#hold(() => response.write(piece)));
      answer.on("end", () => this.#hold(() => response.end()));
      answer.on("error", () => this.cut());
    });
    upstream.on("error", () => this.cut());
    upstream.end();
    response.on("close", () => {
      clearTimeout(this.#timer);
      faults.links.delete(this);
      upstream.destroy();
    });
  }

  #hold(arrive: () => void): void {
    this.#held.push({ at: Date.now() + this.#faults.delayMs, arrive });
    if (this.#held.length > MAX_HELD) this.cut();
    else this.flush();
  }

  /** Lets everything arrive that is due, in its order. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#faults.isStalled) return;
    for (let next; (next = this.#held[0]); this.#held.shift()) {
      const leftMs = next.at - Date.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.flush(), leftMs);
        return;
      }
      next.arrive();
    }
  }

  /** Resets the connection, as a network that is lost. */
  cut(): void {
    this.#request.socket.resetAndDestroy();
  }
}
