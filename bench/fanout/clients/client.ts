import { connect, type Socket } from "node:net";
import { MARK, nowUs } from "../messages.ts";
import type { Greeting } from "./greeting.ts";
import type { Sample } from "./sample.ts";

/** What clients share and add to. */
export interface Tally {
  /** Messages, of all clients. */
  messages: number;
  /** Bytes, after the greetings. */
  bytes: number;
  /** Called after each read that brought messages. */
  onMessages: () => void;
}

/**
 * All sockets read into the same memory: nothing is allocated for a read. One byte more than is read into, for a mark that
 * stops the search.
 */
const READ_BYTES = 65_536;
const memory = Buffer.alloc(READ_BYTES + 1);
const window = memory.subarray(0, READ_BYTES);

/** A raw socket that greets, and from then on only counts. */
export class Client {
  /** Messages since it was connected. */
  received = 0;
  /** When the first byte came, in microseconds since it began to connect. */
  firstByteUs = NaN;
  sample: Sample | undefined;
  readonly #tally: Tally;
  readonly #greeting: Greeting;
  readonly #socket: Socket;
  readonly #startedAt = nowUs();
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();
  #text = "";
  #step = 0;

  constructor(tally: Tally, port: number, greeting: Greeting) {
    this.#tally = tally;
    this.#greeting = greeting;
    const onread = { buffer: window, callback: (length: number): boolean => this.#onRead(length) };
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
    this.#socket.on("error", (error) => this.#done.reject(error));
    this.#socket.on("close", () => this.#done.reject(new Error(`Closed by the server: ${this.#text}`)));
    this.#socket.write(greeting.request());
  }

  /** Resolves when the client is connected, in the sense of its greeting. */
  get connected(): Promise<void> {
    return this.#done.promise;
  }

  #onRead(length: number): boolean {
    if (this.#step < this.#greeting.steps.length) this.#greet(length);
    else this.#count(0, length);
    return true;
  }

  #greet(length: number): void {
    if (this.#text === "") this.firstByteUs = nowUs() - this.#startedAt;
    const before = this.#text.length;
    this.#text += memory.toString("latin1", 0, length);
    if (this.#step === 0 && this.#text.length > 12 && !/^HTTP\/1\.1 (?:200|101)/.test(this.#text)) {
      this.#done.reject(new Error(this.#text));
    }
    let { step, at } = { step: this.#greeting.steps[this.#step], at: 0 };
    while (step !== undefined) {
      const found = this.#text.indexOf(step.until, at);
      if (found < 0) {
        this.#text = this.#text.slice(at);
        return;
      }
      at = found + step.until.length;
      if (step.send !== undefined) this.#socket.write(step.send);
      step = this.#greeting.steps[(this.#step += 1)];
    }
    this.#text = "";
    this.#done.resolve();
    this.#count(Math.max(0, at - before), length);
  }

  /** Counts the marks in what was read. The search is native; JavaScript does something once a mark. */
  #count(from: number, length: number): void {
    memory[length] = MARK;
    let found = 0;
    for (let at = memory.indexOf(MARK, from); at < length; at = memory.indexOf(MARK, at + 1)) found += 1;
    this.#tally.bytes += length - from;
    this.sample?.read(memory.subarray(from, length));
    if (found === 0) return;
    this.received += found;
    this.#tally.messages += found;
    this.#tally.onMessages();
  }

  destroy(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.resetAndDestroy();
  }
}
