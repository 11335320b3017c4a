import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { until } from "../sources.ts";

/** A request of HTTP/1.1 on a socket of its own, which can leave in every way that TCP has. */
export class RawClient {
  readonly socket: Socket;
  /** What has come. */
  text = "";
  /** Whether the server has closed its side, or the connection is gone. */
  isClosed = false;

  private constructor(socket: Socket, keeps: boolean) {
    this.socket = socket;
    socket.on("data", (data) => {
      if (keeps) this.text += data.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("end", () => (this.isClosed = true));
    socket.on("close", () => (this.isClosed = true));
  }

  /**
   * Connects, and sends a request.
   *
   * @param options Whether it reads at all, and whether it keeps what it reads.
   */
  static async send(
    port: number,
    path: string,
    method = "GET",
    options: { readonly reads: boolean; readonly keeps: boolean } = { reads: true, keeps: true },
  ): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    const client = new RawClient(socket, options.keeps);
    if (!options.reads) socket.pause();
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: app.test\r\n\r\n`);
    return client;
  }

  /** Waits for text. */
  async has(text: string): Promise<this> {
    await until(() => this.isClosed || this.text.includes(text));
    if (!this.text.includes(text)) throw new Error(`The connection was closed before ${text} came:\n${this.text}`);
    return this;
  }

  /** Leaves: closes its side (FIN), or resets the connection (RST). */
  leave(how: "FIN" | "RST"): void {
    if (how === "FIN") this.socket.end();
    else this.socket.resetAndDestroy();
  }
}
