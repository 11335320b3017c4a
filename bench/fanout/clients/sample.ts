import { MARK, NUMBER_DIGITS, nowUs, TIME_DIGITS } from "../messages.ts";

/** What a client keeps that reads its messages: which have come, and how long each took. */
export class Sample {
  /** Microseconds from publishing to arrival. */
  readonly delaysUs: number[] = [];
  /** The number that must come next; any, if undefined. */
  #next: number | undefined;
  #rest: Buffer = Buffer.alloc(0);

  /** Forgets the delays so far. */
  reset(): void {
    this.delaysUs.length = 0;
  }

  /**
   * Reads what has come, which may begin and end in the middle of a message.
   *
   * @throws Error if messages are missing, come twice or out of order.
   */
  read(chunk: Uint8Array): void {
    const now = nowUs();
    const bytes = Buffer.concat([this.#rest, chunk]);
    let begin = 0;
    for (let mark = bytes.indexOf(MARK); mark >= 0; mark = bytes.indexOf(MARK, begin)) {
      const time = mark - TIME_DIGITS;
      const number = Number(bytes.toString("latin1", time - NUMBER_DIGITS, time));
      if (this.#next !== undefined && number !== this.#next) {
        throw new Error(`Message ${number} came where ${this.#next} should have.`);
      }
      this.#next = number + 1;
      this.delaysUs.push(now - Number(bytes.toString("latin1", time, mark)));
      begin = mark + 1;
    }
    this.#rest = bytes.subarray(begin);
  }
}
