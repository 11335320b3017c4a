import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Hub, type HubOptions, type TopicOptions } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { Random } from "./random.ts";

/** Options of a hub that can be sent to another process. */
export interface ServerOptions {
  readonly seed: number;
  readonly hub: HubOptions;
  /** The options of some topics; the others have the hub's. */
  readonly topics?: { readonly [topic: string]: TopicOptions };
}

/** A hub behind Node's HTTP server, with what a soak does to it from within. */
export class HubServer {
  hub: Hub;
  readonly #options: ServerOptions;
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  #server: Server;
  #port = 0;
  /** What the hub was told by its `onError`, and what `connect` rejected with. */
  readonly errors: string[] = [];

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.hub = this.#createHub();
    this.#server = this.#createServer();
  }

  /** Resolves to the port. */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen({ port: this.#port, host: "127.0.0.1", backlog: 8192 }, () => {
        this.#port = (this.#server.address() as AddressInfo).port;
        resolve(this.#port);
      });
    });
  }

  /** Breaks off some of the connections, wherever they are. Answers how many. */
  cutSome(count: number): number {
    const sockets = [...this.#sockets];
    const chosen = Math.min(count, sockets.length);
    for (let i = 0; i < chosen; i += 1) {
      const socket = this.#random.pick(sockets);
      if (this.#random.chance(0.5)) socket.resetAndDestroy();
      else socket.destroy();
    }
    return chosen;
  }

  /** Breaks off all connections at once. Answers how many. */
  cutAll(): number {
    const count = this.#sockets.size;
    for (const socket of this.#sockets) socket.destroy();
    return count;
  }

  /** Goes down gently, and comes up again with another hub on the same port: its logs are lost, its epochs are new. */
  async restart(drainMs: number): Promise<void> {
    await this.hub.close({ drainMs });
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    this.hub = this.#createHub();
    this.#server = this.#createServer();
    await this.listen();
  }

  #createHub(): Hub {
    const { hub, topics = {} } = this.#options;
    const topicOptions = (name: string): boolean | TopicOptions => topics[name] ?? true;
    return new Hub({ ...hub, topics: topicOptions, onError: (error) => this.errors.push(String(error)) });
  }

  #createServer(): Server {
    const server = createServer((request, response) => {
      void nodeHandler(this.hub)(request, response);
    });
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    return server;
  }
}
