/**
 * As little of an HTTP/2 client (RFC 9113) as following streams takes, in clear text with prior knowledge. It parses frames and
 * counts, so that the load generator costs hardly more than on HTTP/1.1, and tells streams apart, so that equal counts can be
 * checked. Its windows are as large as they may be: a browser's are some megabytes, which a stream of messages does not fill.
 */
import { connect, type Socket } from "node:net";
import { nowUs } from "../messages.ts";
import type { Http2Greeting } from "./greeting.ts";
import { countMarks, memory, window, type Client, type Tally } from "./reading.ts";
import type { Sample } from "./sample.ts";

const HEADER_BYTES = 9;
const DATA = 0x0;
const HEADERS = 0x1;
const RST_STREAM = 0x3;
const SETTINGS = 0x4;
const PING = 0x6;
const GOAWAY = 0x7;
const WINDOW_UPDATE = 0x8;
const ACK = 0x1;
const END_STREAM_AND_HEADERS = 0x5;
const INITIAL_WINDOW_SIZE = 0x4;
const MAX_WINDOW = 0x7fff_ffff;
const DEFAULT_WINDOW = 65_535;
/** The field `:status: 200` in HPACK's static table (RFC 7541, appendix A). */
const STATUS_200 = 0x88;

function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.set([type, flags], 3);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, INITIAL_WINDOW_SIZE]), uint32(MAX_WINDOW)])),
  frame(WINDOW_UPDATE, 0, 0, uint32(MAX_WINDOW - DEFAULT_WINDOW)),
]);

/** A field whose name is in the static table, not to be indexed; texts are shorter than 127 bytes and not in Huffman's code. */
function field(name: readonly number[], value: string): Buffer {
  return Buffer.from([...name, value.length, ...Buffer.from(value)]);
}

/** The fields of a GET of `http:`. */
function headerBlock({ path, accept }: Http2Greeting): Buffer {
  const getOverHttp = Buffer.from([0x82, 0x86]);
  return Buffer.concat([getOverHttp, field([0x04], path), field([0x01], "127.0.0.1"), field([0x0f, 0x04], accept)]);
}

/** One connection, and the streams on it. */
class Http2Connection {
  /** How many streams were opened. */
  opened = 0;
  readonly #tally: Tally;
  readonly #block: Buffer;
  readonly #socket: Socket;
  readonly #streams = new Map<number, Http2Client>();
  #failure: Error | undefined;
  /** The frame under way: its header as far as it has come, then how much of its payload is missing. */
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerLength = 0;
  #missing = 0;
  /** The payload of a frame that is to be answered. */
  #payload: number[] = [];

  constructor(tally: Tally, port: number, greeting: Http2Greeting) {
    this.#tally = tally;
    this.#block = headerBlock(greeting);
    const onread = { buffer: window, callback: (length: number): boolean => this.#onRead(length) };
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("Closed by the server.")));
    this.#socket.write(preface);
  }

  open(): Http2Client {
    const id = 2 * this.opened + 1;
    this.opened += 1;
    const client = new Http2Client(this);
    this.#streams.set(id, client);
    this.#socket.write(frame(HEADERS, END_STREAM_AND_HEADERS, id, this.#block));
    if (this.#failure !== undefined) client.fail(this.#failure);
    return client;
  }

  destroy(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.resetAndDestroy();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const client of this.#streams.values()) client.fail(error);
  }

  #onRead(length: number): boolean {
    let at = 0;
    let found = 0;
    while (at < length) {
      if (this.#headerLength < HEADER_BYTES) {
        const end = Math.min(length, at + HEADER_BYTES - this.#headerLength);
        this.#headerLength += memory.copy(this.#header, this.#headerLength, at, end);
        at = end;
        if (this.#headerLength < HEADER_BYTES) break;
        this.#missing = this.#header.readUIntBE(0, 3);
      }
      const end = Math.min(length, at + this.#missing);
      found += this.#onPayload(at, end);
      this.#missing -= end - at;
      at = end;
      if (this.#missing === 0) this.#headerLength = 0;
    }
    this.#tally.bytes += length;
    if (found > 0) {
      this.#tally.messages += found;
      this.#tally.onMessages();
    }
    return true;
  }

  /** Takes some or all of the payload of the frame under way, which stands in the memory. Gives how many messages it was. */
  #onPayload(from: number, end: number): number {
    const type = this.#header[3];
    const client = this.#streams.get(this.#header.readUInt32BE(5));
    if (type === DATA) return client?.take(from, end) ?? 0;
    const isWhole = end - from === this.#missing;
    if (type === HEADERS) client?.head(memory[from] === STATUS_200);
    else if (type === RST_STREAM || type === GOAWAY)
      this.#fail(new Error(`The server has sent a frame of type ${type}.`));
    else if (type === PING || type === SETTINGS) {
      this.#payload.push(...memory.subarray(from, end));
      if (isWhole) this.#acknowledge(type);
    }
    return 0;
  }

  #acknowledge(type: number): void {
    const payload = type === PING ? Buffer.from(this.#payload) : undefined;
    this.#payload = [];
    if (((this.#header[4] as number) & ACK) === 0) this.#socket.write(frame(type, ACK, 0, payload));
  }
}

/** One stream of a connection that it may have for itself. */
export class Http2Client implements Client {
  received = 0;
  firstByteUs = NaN;
  sample: Sample | undefined;
  readonly #connection: Http2Connection;
  readonly #startedAt = nowUs();
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(connection: Http2Connection) {
    this.#connection = connection;
  }

  get connected(): Promise<void> {
    return this.#done.promise;
  }

  head(isOk: boolean): void {
    this.firstByteUs = nowUs() - this.#startedAt;
    if (isOk) this.#done.resolve();
    else this.fail(new Error("The answer's status is not 200."));
  }

  take(from: number, end: number): number {
    const found = countMarks(from, end);
    this.received += found;
    this.sample?.read(memory.subarray(from, end));
    return found;
  }

  fail(error: Error): void {
    this.#done.reject(error);
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

/** Gives each client a stream, and as many of them a connection as the greeting says. */
export class Http2Pool {
  #last: Http2Connection | undefined;

  open(tally: Tally, port: number, greeting: Http2Greeting): Http2Client {
    if (this.#last === undefined || this.#last.opened === greeting.streamsPerConnection) {
      this.#last = new Http2Connection(tally, port, greeting);
    }
    return this.#last.open();
  }
}
