import { connect, type Socket } from "node:net";
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Wire } from "../../../src/wire/item.ts";
import { nowUs } from "./clock.ts";
import { ResponseParser } from "./response-parser.ts";

/** What comes before the position of each message, on each wire. */
const markers: { readonly [W in Wire]: string } = {
  ndjson: '{"id":"',
  poll: '{"id":"',
  sse: "\nid: ",
  comet: '{"id":"',
};
const LONGEST_POSITION = 100;

export interface CrowdOptions {
  readonly port: number;
  readonly topic: string;
  readonly wire: Wire;
  readonly count: number;
  /** Whether the members read at all. */
  readonly reading: boolean;
  /**
   * The size of every message's data, on ndjson and without a cut: then the bytes up to a message show that nothing is missing before
   * it, and only the last message of each piece that comes is looked at.
   */
  readonly dataBytes?: number;
  /** How much later than a cut a member comes back, at the most, in milliseconds; undefined for not at all. */
  readonly backWithinMs?: number;
}

/** What all members of a crowd have in common. */
export class Shared {
  readonly options: CrowdOptions;
  readonly marker: string;
  /** From publishing to reading, in microseconds; the last message of each piece that comes. */
  readonly delays: RecordableHistogram = createHistogram();
  readonly violations: string[] = [];
  messages = 0;
  bytes = 0;

  constructor(options: CrowdOptions) {
    this.options = options;
    this.marker = markers[options.wire];
  }
}

/**
 * One of thousands of clients in a process. It looks at no more of what comes than the offset of each message, which must be
 * one more than the last, so that the crowd is not what is measured. Follows one topic.
 */
export class Member {
  offset = -1;
  /** When it last heard anything, and how long the longest silence before that was, in milliseconds. */
  heardAt = performance.now();
  longestSilenceMs = 0;
  socket: Socket | undefined;
  readonly #shared: Shared;
  #epoch = "";
  #rest: Buffer = Buffer.alloc(0);
  /** How many bytes of the body came before `#rest`, and before the first message. */
  #before = 0;
  #first = -1;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Connects, and resolves when connected; a member that reads nothing reads not even the head. */
  start(): Promise<void> {
    const { port, reading, backWithinMs } = this.#shared.options;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket = socket;
    this.#rest = Buffer.alloc(0);
    const parser = new ResponseParser({
      head: (status, head) => {
        if (status !== 200) this.#shared.violations.push(`The server answered ${head}`);
      },
      body: (bytes) => this.#scan(bytes),
      end: () => this.#request(socket),
    });
    if (reading) {
      socket.on("data", (bytes: Buffer) => {
        this.#heard();
        this.#shared.bytes += bytes.length;
        parser.push(bytes);
      });
    } else socket.pause();
    socket.on("close", () => {
      if (this.socket !== socket || backWithinMs === undefined) return;
      setTimeout(() => void this.start(), Math.random() * backWithinMs);
    });
    return new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("connect", () => {
        this.#request(socket);
        resolve();
      });
    });
  }

  stop(): void {
    const { socket } = this;
    this.socket = undefined;
    socket?.destroy();
  }

  #request(socket: Socket): void {
    const { wire, topic } = this.#shared.options;
    const position = this.offset === -1 ? "" : `&lastEventId=${topic}=${this.#epoch}.${this.offset}`;
    const mode = wire === "comet" ? "managed" : "plain";
    socket.write(`GET /?topic=${topic}&wire=${wire}&mode=${mode}${position} HTTP/1.1\r\nHost: soak\r\n\r\n`);
  }

  #heard(): void {
    const now = performance.now();
    this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.heardAt);
    this.heardAt = now;
  }

  #scan(bytes: Buffer): void {
    const { delays, options } = this.#shared;
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (this.offset === -1) this.#begin(data, data.indexOf(`${options.topic}=`));
    const at = options.dataBytes === undefined ? this.#takeAll(data) : this.#takeLast(data, options.dataBytes);
    this.#rest = data.subarray(at);
    this.#before += at;
    const stamp = data.lastIndexOf("@");
    const stampEnd = stamp === -1 ? -1 : data.indexOf(";", stamp);
    if (stampEnd !== -1 && stampEnd - stamp < 24) {
      delays.record(Math.max(1, nowUs() - Number(data.toString("latin1", stamp + 1, stampEnd))));
    }
  }

  /** Takes every message. Answers up to where. */
  #takeAll(data: Buffer): number {
    const { marker } = this.#shared;
    let at = 0;
    for (;;) {
      const found = data.indexOf(marker, at, "latin1");
      if (found === -1) return Math.max(at, data.length - LONGEST_POSITION);
      const next = this.#take(data, found + marker.length);
      if (next === -1) return found;
      at = next;
    }
  }

  /** Takes the last message, and concludes from how much came before it that all others did. Answers up to where. */
  #takeLast(data: Buffer, dataBytes: number): number {
    const { marker, options, violations } = this.#shared;
    const found = data.lastIndexOf(marker);
    const id = found === -1 ? null : /^[^.]+\.(\d+)"/.exec(data.toString("latin1", found + marker.length, found + 200));
    if (id === null) return Math.max(0, data.length - LONGEST_POSITION);
    const offset = Number(id[1]);
    if (this.#first === -1) this.#first = data.indexOf(marker) + this.#before;
    const frame = `${marker}${options.topic}=${this.#epoch}.","data":}\n`.length + dataBytes;
    const expected = this.#first + (offset - 1) * frame + digitsBefore(offset);
    if (this.#before + found !== expected)
      violations.push(`Message ${offset} began at ${this.#before + found}, not ${expected}.`);
    this.#shared.messages += offset - this.offset;
    this.offset = offset;
    return found + marker.length;
  }

  /** Takes the position of an open, which is the first that comes. */
  #begin(data: Buffer, at: number): void {
    if (at === -1) return;
    const text = data.toString("latin1", at, at + LONGEST_POSITION);
    const [, epoch, offset] = /^[^=]+=(\w+)\.(\d+)\D/.exec(text) ?? [];
    if (epoch === undefined) return;
    this.#epoch = epoch;
    this.offset = Number(offset);
  }

  /** Takes the position of a message from `at`. Answers where it ends; -1 if it has not all come. */
  #take(data: Buffer, at: number): number {
    const dot = data.indexOf(46, at);
    if (dot === -1) return -1;
    let offset = 0;
    let end = dot + 1;
    for (; end < data.length; end += 1) {
      const digit = (data[end] as number) - 48;
      if (digit < 0 || digit > 9) break;
      offset = offset * 10 + digit;
    }
    if (end === data.length) return -1;
    // On sse an item that is no message has an id as well: where the client is.
    if (offset === this.offset && this.#shared.options.wire === "sse") return end;
    if (offset !== this.offset + 1) this.#shared.violations.push(`After ${this.offset} came ${offset}.`);
    this.offset = offset;
    this.#shared.messages += 1;
    return end;
  }
}

/** How many digits the numbers from 1 up to, not including, this one have. */
function digitsBefore(end: number): number {
  let digits = 0;
  for (let power = 1; power < end; power *= 10) digits += end - power;
  return digits;
}
