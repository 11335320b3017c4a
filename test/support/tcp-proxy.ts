import { once } from "node:events";
import { createServer, Socket, type AddressInfo } from "node:net";

/** A network between a client and a server of this machine, to be harmed at will. */
export interface TcpProxy {
  readonly port: number;
  /** How many clients are connected, those that are stalled included. */
  readonly connections: number;
  /** Ends all connections now, in the middle of what they are sending. New ones are taken as before. */
  cut(): void;
  /** Forwards nothing more in either direction, the ends of connections included. New connections are accepted, and stalled as well. */
  stall(): void;
  /** Forwards nothing more on the connections of now, for ever, their ends included. New ones are forwarded. */
  abandon(): void;
  /** Forwards what waited, and what comes. */
  resume(): void;
  /** Cuts all connections, and resets new ones as they come. */
  refuse(): void;
  /** Takes connections again. */
  accept(): void;
  /** Ends everything. */
  close(): Promise<void>;
}

/** Opens a proxy on a free port of 127.0.0.1, in front of a port there. Whoever opens it closes it. */
export async function tcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const abandoned = new Set<Pair>();
  let isStalled = false;
  let isRefusing = false;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
    if (isRefusing) {
      client.on("error", () => undefined).resetAndDestroy();
      return;
    }
    const pair = new Pair(client, targetPort, () => {
      pairs.delete(pair);
      abandoned.delete(pair);
    });
    pairs.add(pair);
    if (!isStalled) pair.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const pair of [...pairs, ...abandoned]) pair.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size + abandoned.size;
    },
    cut,
    stall: () => {
      isStalled = true;
      for (const pair of pairs) pair.pause();
    },
    abandon: () => {
      for (const pair of pairs) {
        pair.pause();
        abandoned.add(pair);
      }
      pairs.clear();
    },
    resume: () => {
      isStalled = false;
      for (const pair of pairs) pair.resume();
    },
    refuse: () => {
      isRefusing = true;
      cut();
    },
    accept: () => {
      isRefusing = false;
    },
    close: async () => {
      const closed = once(server, "close");
      server.close();
      cut();
      await closed;
    },
  };
}

/** The two sides of a forwarded connection. It begins paused, and without its second half. */
class Pair {
  readonly #client: Socket;
  readonly #target = new Socket({ allowHalfOpen: true });
  readonly #targetPort: number;
  readonly #onGone: () => void;
  #isOpened = false;
  #isPaused = true;
  #isGone = false;

  constructor(client: Socket, targetPort: number, onGone: () => void) {
    this.#client = client;
    this.#targetPort = targetPort;
    this.#onGone = onGone;
    this.#forward(this.#client, this.#target);
    this.#forward(this.#target, this.#client);
    this.pause();
  }

  pause(): void {
    this.#isPaused = true;
    this.#client.pause();
    this.#target.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isOpened) this.#target.connect({ port: this.#targetPort, host: "127.0.0.1" }).setNoDelay();
    this.#isOpened = true;
    // What waits for room resumes when there is some.
    if (!this.#target.writableNeedDrain) this.#client.resume();
    if (!this.#client.writableNeedDrain) this.#target.resume();
  }

  destroy(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#client.destroy();
    this.#target.destroy();
    this.#onGone();
  }

  #forward(from: Socket, to: Socket): void {
    from.on("data", (bytes) => {
      if (!to.write(bytes)) from.pause();
    });
    to.on("drain", () => {
      if (!this.#isPaused) from.resume();
    });
    from.on("end", () => to.end());
    // A server that is not there, or has been killed, is a reset to its client.
    from.on("error", () => to.resetAndDestroy());
    from.on("close", () => {
      if (from.errored !== null || to.closed) this.destroy();
      else to.end();
    });
  }
}
