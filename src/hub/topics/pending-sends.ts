/** The most messages of one source that await the broker's acknowledgement. */
const MAX_OF_ONE = 64;
/**
 * The messages of all sources that may await it, and their bytes. Beyond them a source has one at a time, so that
 * `publish` has half of the bounds of `BrokerLink` to itself.
 */
const MAX_OF_ALL = 4096;
const MAX_BYTES_OF_ALL = 8_388_608;

/** The messages of all sources of a hub that the broker has not acknowledged. */
export interface SentByAll {
  unacknowledged: number;
  unacknowledgedBytes: number;
}

/** The messages of one source that the broker has not acknowledged yet. */
export class PendingSends {
  /** The position after the newest message that is acknowledged. */
  position: string | undefined;
  readonly #all: SentByAll;
  #count = 0;
  #sent = 0;
  #acknowledged = 0;
  #onEmpty: () => void = () => undefined;

  constructor(all: SentByAll) {
    this.#all = all;
  }

  /** Whether one more may be sent. */
  get hasRoom(): boolean {
    const { unacknowledged, unacknowledgedBytes } = this.#all;
    if (this.#count === 0) return true;
    const isCrowded = unacknowledged >= MAX_OF_ALL || unacknowledgedBytes >= MAX_BYTES_OF_ALL;
    return !isCrowded && this.#count < MAX_OF_ONE;
  }

  /**
   * Notes a message that was sent.
   *
   * @param sent Resolves to its position.
   * @param onRejected Called with the error if it is not published.
   * @param onSettled Called when there is an answer, after `onRejected`.
   */
  add(sent: Promise<string>, bytes: number, onRejected: (error: unknown) => void, onSettled: () => void): void {
    const all = this.#all;
    const order = (this.#sent += 1);
    this.#count += 1;
    all.unacknowledged += 1;
    all.unacknowledgedBytes += bytes;
    const settle = (): void => {
      this.#count -= 1;
      all.unacknowledged -= 1;
      all.unacknowledgedBytes -= bytes;
      if (this.#count === 0) this.#onEmpty();
      onSettled();
    };
    sent.then(
      (position) => {
        if (order > this.#acknowledged) {
          this.#acknowledged = order;
          this.position = position;
        }
        settle();
      },
      (error: unknown) => {
        onRejected(error);
        settle();
      },
    );
  }

  /** Waits for the answers to all; `undefined` if there is none to wait for. Called once. */
  settled(): Promise<void> | undefined {
    if (this.#count === 0) return undefined;
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }
}
