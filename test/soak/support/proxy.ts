import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";

/**
 * A TCP proxy that cuts each connection after a random number of bytes from the server, at any byte: in a head, in a chunk's size, in the
 * middle of a frame or of a character.
 */
export class FaultProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #random: Random;
  readonly #tally: Tally;
  /** Whether it cuts. */
  active = true;

  constructor(target: number, random: Random, tally: Tally) {
    this.#random = random;
    this.#tally = tally;
    this.#server = createServer({ noDelay: true }, (client) => this.#forward(client, target));
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #forward(client: Socket, target: number): void {
    const upstream = connect({ port: target, host: "127.0.0.1", noDelay: true });
    let left = this.#random.magnitude(100, 400_000);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (bytes) => void upstream.write(bytes));
    upstream.on("data", (bytes) => {
      if (this.active && bytes.length >= left) {
        this.#cut(client, upstream, bytes.subarray(0, left));
        return;
      }
      left -= bytes.length;
      if (!client.write(bytes)) upstream.pause();
    });
    client.on("drain", () => upstream.resume());
  }

  /** Gives the client these last bytes, or, with a reset, perhaps not even all of them. */
  #cut(client: Socket, upstream: Socket, last: Buffer): void {
    this.#tally.add("cuts in the middle of the bytes");
    upstream.removeAllListeners("data");
    if (this.#random.chance(0.5)) client.end(last, () => upstream.destroy());
    else {
      client.write(last, () => client.resetAndDestroy());
    }
  }
}
