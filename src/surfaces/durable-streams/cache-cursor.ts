/** The beginning of the first interval, in milliseconds since 1970, and the length of each. The protocol proposes both. */
const EPOCH_MS = Date.UTC(2024, 9, 9);
const INTERVAL_MS = 20_000;
/** The most intervals that a cursor is put forward at random. */
const MAX_JITTER = 180;
/** The most intervals by which clients may put the cursors of a stream forward: some seven days. */
const MAX_AHEAD = 30_000;

/**
 * The cursors of a stream's live answers, which clients send back, so that a shared cache never serves one answer for ever.
 *
 * A cursor is the number of an interval. A client that sends the present one or a later one gets one that is greater.
 */
export class CacheCursor {
  #ahead = 0;

  /** Returns the cursor of an answer that many clients share. */
  current(): string {
    return String(Math.max(intervalNow(), this.#ahead));
  }

  /**
   * Returns a cursor that is greater than a client's, and makes it that of all clients from now on.
   *
   * @param given The client's cursor, if it sent one. One that no server has issued is ignored.
   */
  after(given: string | null): string {
    const known = given !== null && /^\d{1,15}$/.test(given) ? Number(given) : -1;
    if (known >= Number(this.current()) && known < intervalNow() + MAX_AHEAD) {
      this.#ahead = known + 1 + Math.floor(Math.random() * MAX_JITTER);
    }
    return this.current();
  }
}

function intervalNow(): number {
  return Math.floor((Date.now() - EPOCH_MS) / INTERVAL_MS);
}
