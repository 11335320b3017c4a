/** What the parser tells of each response. */
export interface ResponseHandler {
  head(status: number, headers: string): void;
  body(bytes: Buffer): void;
  /** The response is complete. */
  end(): void;
}

type State = "head" | "size" | "chunk" | "chunk end" | "trailer" | "body";

/**
 * Reads HTTP/1.1 responses one after the other from the bytes of a connection: chunked bodies and those with a length, no
 * trailers. It trusts its server, and is cheap: `node:http` would cost the load generator more than the hub costs the server.
 */
export class ResponseParser {
  readonly #handler: ResponseHandler;
  #state: State = "head";
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;

  constructor(handler: ResponseHandler) {
    this.#handler = handler;
  }

  push(bytes: Buffer): void {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (;;) {
      const next = this.#step(data, at);
      if (next === -1) break;
      at = next;
    }
    this.#rest = data.subarray(at);
  }

  /** Takes one piece of the data from `at`, and answers where the next begins; -1 if more data is needed. */
  #step(data: Buffer, at: number): number {
    switch (this.#state) {
      case "head":
        return this.#head(data, at);
      case "size": {
        const lineEnd = data.indexOf("\r\n", at);
        if (lineEnd === -1) return -1;
        this.#left = Number.parseInt(data.toString("latin1", at, lineEnd), 16);
        this.#state = this.#left === 0 ? "trailer" : "chunk";
        return lineEnd + 2;
      }
      case "chunk":
      case "body":
        return this.#take(data, at);
      case "chunk end":
        if (data.length - at < 2) return -1;
        this.#state = "size";
        return at + 2;
      case "trailer":
        if (data.length - at < 2) return -1;
        this.#state = "head";
        this.#handler.end();
        return at + 2;
    }
  }

  #head(data: Buffer, at: number): number {
    const headEnd = data.indexOf("\r\n\r\n", at);
    if (headEnd === -1) return -1;
    const head = data.toString("latin1", at, headEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head);
    this.#handler.head(Number(head.slice(9, 12)), head);
    if (length === null) this.#state = "size";
    else {
      this.#left = Number(length[1]);
      this.#state = "body";
    }
    return headEnd + 4;
  }

  #take(data: Buffer, at: number): number {
    const taken = Math.min(this.#left, data.length - at);
    if (taken === 0 && this.#left > 0) return -1;
    this.#left -= taken;
    if (taken > 0) this.#handler.body(data.subarray(at, at + taken));
    if (this.#left > 0) return at + taken;
    if (this.#state === "chunk") this.#state = "chunk end";
    else {
      this.#state = "head";
      this.#handler.end();
    }
    return at + taken;
  }
}
