/** A response to a request that may have been malformed. */
export interface RawAnswer {
  readonly status: number;
  /** The status line and the headers. */
  readonly head: string;
  /** The start of the body, as latin1. */
  readonly body: string;
  /** Whether the body has come to its end. */
  readonly isComplete: boolean;
}

type State = "head" | "length" | "size" | "chunk" | "trailer" | "rest";

/** The most of a body that is kept. */
const MOST_BODY = 16_384;

/**
 * Reads the responses of a connection whose requests may be malformed. The reader does not know which request was HEAD, so a status line in
 * the place of a body begins the next response.
 *
 * @throws {Error} from `push`, for bytes that are not HTTP/1.1.
 */
export class AnswerReader {
  readonly answers: RawAnswer[] = [];
  #current: { status: number; head: string; body: string; isComplete: boolean } | undefined;
  #rest = "";
  #state: State = "head";
  #left = 0;

  push(bytes: Buffer): void {
    this.#rest += bytes.toString("latin1");
    while (this.#step());
  }

  /** Notes that the connection is closed, which ends a body without a length. */
  end(): void {
    if (this.#state === "rest" && this.#current !== undefined) this.#current.isComplete = true;
  }

  #step(): boolean {
    switch (this.#state) {
      case "head":
        return this.#readHead();
      case "size":
        return this.#readSize();
      case "length":
      case "chunk":
        return this.#readPart();
      case "trailer":
        if (this.#isNextHead()) return true;
        if (this.#rest.length < 2) return false;
        this.#rest = this.#rest.slice(2);
        return this.#complete();
      case "rest":
        if (this.#isNextHead()) return true;
        if (this.#rest.length < 9) return false;
        this.#keep(this.#rest.length);
        return false;
    }
  }

  #readHead(): boolean {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end === -1) return false;
    const head = this.#rest.slice(0, end);
    const [, status] = /^HTTP\/1\.1 ([1-5]\d\d) [ -~]*(?:\r\n|$)/.exec(head) ?? [];
    if (status === undefined) throw new Error(`This is no response: ${JSON.stringify(head.slice(0, 200))}`);
    this.#rest = this.#rest.slice(end + 4);
    this.#current = { status: Number(status), head, body: "", isComplete: false };
    this.answers.push(this.#current);
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
    this.#left = Number(length ?? 0);
    const isEmpty = Number(status) < 200 || status === "204" || status === "304";
    if (isEmpty || length === "0") return this.#complete();
    if (length !== undefined) this.#state = "length";
    else this.#state = /\r\ntransfer-encoding: *chunked/i.test(head) ? "size" : "rest";
    return true;
  }

  #readSize(): boolean {
    if (this.#isNextHead()) return true;
    const end = this.#rest.indexOf("\r\n");
    if (end === -1) return false;
    const size = this.#rest.slice(0, end);
    if (!/^[\da-f]+$/i.test(size)) throw new Error(`This is no chunk's size: ${JSON.stringify(size.slice(0, 200))}`);
    this.#left = Number.parseInt(size, 16);
    this.#rest = this.#rest.slice(end + 2);
    this.#state = this.#left === 0 ? "trailer" : "chunk";
    return true;
  }

  #readPart(): boolean {
    if (this.#state === "length" && this.#isNextHead()) return true;
    const isChunk = this.#state === "chunk";
    if (this.#left > 0) {
      if (this.#rest.length === 0) return false;
      const taken = Math.min(this.#left, this.#rest.length);
      this.#left -= taken;
      this.#keep(taken);
      return true;
    }
    if (!isChunk) return this.#complete();
    if (this.#rest.length < 2) return false;
    if (!this.#rest.startsWith("\r\n")) throw new Error("A chunk is longer than its size.");
    this.#rest = this.#rest.slice(2);
    this.#state = "size";
    return true;
  }

  #keep(length: number): void {
    const { body } = this.#current as RawAnswer;
    if (body.length < MOST_BODY) (this.#current as { body: string }).body = body + this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
  }

  #complete(): boolean {
    (this.#current as { isComplete: boolean }).isComplete = true;
    this.#state = "head";
    return true;
  }

  /** Ends a response that has only a head if the next one begins. Returns whether it did. */
  #isNextHead(): boolean {
    if (this.#current?.body !== "" || !/^HTTP\/1\.1 \d{3}/.test(this.#rest)) return false;
    return this.#complete();
  }
}
