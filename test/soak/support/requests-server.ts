import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { CometError, Hub, type Authorization, type HubRequest, type HubStats } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { ALLOWED_ORIGIN, publishedTopics } from "./hostile-values.ts";
import { liveBytes } from "../../support/memory.ts";

const PUBLISH_EVERY_MS = 10;
/** The limit of connections. More clients than that connect at once, so that some are rejected. */
export const MAX_CONNECTIONS = 10;

/** The counts of the server, and the resources that it holds. */
export interface RequestsState {
  readonly stats: HubStats;
  /** Requests that Node's parser let through, and those that reached the application's `authorize`. */
  readonly handled: number;
  readonly authorized: number;
  /** The connections by the count of Node's server, and the sockets that have not emitted `close`. */
  readonly open: number;
  readonly sockets: number;
  /** Sockets, timers and other things that keep the process alive, by kind. */
  readonly resources: { readonly [kind: string]: number };
  /** The number of listeners of the process and the server now, and the highest number of a socket, by event. */
  readonly listeners: { readonly [event: string]: number };
  readonly mostListeners: { readonly [event: string]: number };
  /** Unhandled rejections, exceptions, warnings, and errors that the hub did not foresee. */
  readonly faults: readonly string[];
  /** The errors that the application provoked, by code. */
  readonly planned: { readonly [code: string]: number };
  readonly published: number;
  readonly liveBytes: number;
}

/** An error of the application's own functions, which the soak provokes. */
class PlannedError extends Error {}

/** A hub with low limits behind Node's HTTP server. It records every fault of the process. */
export class RequestsServer {
  readonly faults: string[] = [];
  readonly planned: Record<string, number> = {};
  handled = 0;
  authorized = 0;
  published = 0;
  readonly #mostListeners: Record<string, number> = {};
  readonly #sockets = new Set<Socket>();
  readonly #hub: Hub;
  readonly #server: Server;

  constructor() {
    this.#watchProcess();
    this.#hub = new Hub({
      topics: (name) => name !== "unknown",
      authorize: (request, topics) => this.#authorize(request, topics),
      authorizeTimeoutMs: 20,
      cors: { origins: [ALLOWED_ORIGIN], credentials: true },
      maxConnections: MAX_CONNECTIONS,
      maxTopics: 1000,
      maxAskedTopics: 1000,
      log: { maxEntries: 200, maxAgeMs: 2000 },
      heartbeatMs: 100,
      pollMs: 50,
      maxConnectionAgeMs: 500,
      maxConnectionBytes: 65_536,
      maxCometBytes: 8192,
      onError: (error) => this.#onError(error),
    });
    const handle = nodeHandler(this.#hub, optionsOf);
    this.#server = createServer((request, response) => this.#handle(request, response, handle));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Resolves to the port. */
  listen(): Promise<number> {
    const timer = setInterval(() => void this.#publish(), PUBLISH_EVERY_MS);
    timer.unref();
    return new Promise((resolve) => {
      this.#server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => {
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  async state(): Promise<RequestsState> {
    const open = await new Promise<number>((resolve) => {
      this.#server.getConnections((_, count) => resolve(count));
    });
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
    return {
      stats: this.#hub.stats(),
      handled: this.handled,
      authorized: this.authorized,
      open,
      sockets: this.#sockets.size,
      resources,
      listeners: { ...listenersOf(process, "process"), ...listenersOf(this.#server, "server") },
      mostListeners: this.#mostListeners,
      faults: this.faults.slice(0, 10),
      planned: this.planned,
      published: this.published,
      liveBytes: liveBytes(),
    };
  }

  #handle(request: IncomingMessage, response: ServerResponse, handle: ReturnType<typeof nodeHandler>): void {
    this.handled += 1;
    // A connection must not collect listeners from one request to the next.
    for (const [event, count] of Object.entries(listenersOf(request.socket, "socket"))) {
      if (count > (this.#mostListeners[event] ?? 0)) this.#mostListeners[event] = count;
    }
    handle(request, response).catch((error: unknown) => this.faults.push(`The handler rejected: ${String(error)}`));
  }

  #authorize(_request: HubRequest, topics: readonly string[]): Authorization | Promise<Authorization> {
    this.authorized += 1;
    if (topics.includes("throws")) throw new PlannedError("authorize throws");
    if (topics.includes("rejects")) return Promise.reject(new PlannedError("authorize rejects"));
    if (topics.includes("never")) return new Promise(() => undefined);
    if (topics.includes("odd")) return "yes" as unknown as Authorization;
    if (topics.includes("login")) return 401;
    if (topics.includes("secret")) return false;
    if (topics.includes("absent")) return Promise.resolve(404);
    if (topics.includes("later")) return new Promise((resolve) => setTimeout(resolve, 5, true));
    return true;
  }

  async #publish(): Promise<void> {
    for (const topic of publishedTopics) {
      try {
        await this.#hub.topic(topic).publish({ n: this.published, text: "x".repeat(this.published % 300) });
        this.published += 1;
      } catch (error) {
        this.faults.push(`A publish failed: ${String(error)}`);
      }
    }
  }

  #onError(error: unknown): void {
    const isForeseen = error instanceof CometError && foreseen.has(error.code);
    if (!isForeseen && !(error instanceof PlannedError)) {
      this.faults.push(`onError: ${(error as Error).stack ?? String(error)}`);
      return;
    }
    const code = error instanceof CometError ? error.code : "planned";
    this.planned[code] = (this.planned[code] ?? 0) + 1;
  }

  #watchProcess(): void {
    process.on("unhandledRejection", (error) => this.faults.push(`An unhandled rejection: ${String(error)}`));
    process.on("uncaughtException", (error) => this.faults.push(`An exception: ${error.stack ?? String(error)}`));
    process.on("warning", (warning) => this.faults.push(`A warning: ${warning.stack ?? String(warning)}`));
  }
}

/** The codes that clients can provoke: of an invalid identity or answer of `authorize`, and of an `authorize` that is late. */
const foreseen: ReadonlySet<string> = new Set(["ERR_OPTION", "ERR_TIMEOUT"]);

/** Takes the identity from the query, as docs/presence.md does. */
function optionsOf(request: { readonly url?: string | undefined }): { readonly identity?: string } {
  const url = request.url ?? "";
  if (!url.includes("name=")) return {};
  const name = new URLSearchParams(url.slice(url.indexOf("?") + 1)).get("name");
  return name === null ? {} : { identity: name };
}

function listenersOf(emitter: NodeJS.EventEmitter, of: string): { [event: string]: number } {
  return Object.fromEntries(emitter.eventNames().map((name) => [`${of} ${String(name)}`, emitter.listenerCount(name)]));
}
