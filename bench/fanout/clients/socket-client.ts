import { connect, type Socket } from "node:net";
import { nowUs } from "../messages.ts";
import type { Greeting } from "./greeting.ts";
import { countMarks, memory, window, type Client, type Tally } from "./reading.ts";
import type { Sample } from "./sample.ts";

/** A raw socket that greets, and from then on only counts. */
export class SocketClient implements Client {
  received = 0;
  firstByteUs = NaN;
  sample: Sample | undefined;
  readonly #tally: Tally;
  readonly #greeting: Greeting;
  readonly #socket: Socket;
  readonly #startedAt = nowUs();
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers();
  #text = "";
  #step = 0;

  /** @param localAddress The address that it connects from; the system chooses one if it is not given. */
  constructor(tally: Tally, port: number, greeting: Greeting, localAddress?: string) {
    this.#tally = tally;
    this.#greeting = greeting;
    const onread = { buffer: window, callback: (length: number): boolean => this.#onRead(length) };
    const from = localAddress === undefined ? {} : { localAddress };
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true, onread, ...from });
    this.#socket.on("error", (error) => this.#done.reject(error));
    this.#socket.on("close", () => this.#done.reject(new Error(`Closed by the server: ${this.#text}`)));
    this.#socket.write(greeting.request());
  }

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

  #count(from: number, length: number): void {
    const found = countMarks(from, length);
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
