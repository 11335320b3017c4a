import { openRun } from "../../stream/open.ts";
import { OperatorRun, type Run, type Step } from "../../stream/run.ts";
import { from, type Source } from "../../stream/sources/from.ts";

/** The longest time in milliseconds that something waits for a source to be closed. */
const MAX_CLOSING_MS = 5000;

/** Closes a source that nothing has read and nothing will. Rejects with the error of its clean-up. */
export async function closeUnread(source: Source<unknown>): Promise<void> {
  // The iterator of a Node stream does not destroy it unless it has begun.
  const { destroy } = source as { readonly destroy?: () => void };
  if ("readableFlowing" in Object(source) && typeof destroy === "function") destroy.call(source);
  else await openRun(from(source), () => undefined).close();
}

/** Waits for sources to be closed, for 5 s at most: a source whose clean-up hangs must not hang the hub. */
export async function whenClosed(closed: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([closed, new Promise((resolve) => (timer = setTimeout(resolve, MAX_CLOSING_MS)))]);
  clearTimeout(timer);
}

/** A run that notifies its opener when it is closed, even if its clean-up fails. */
export class WatchedRun extends OperatorRun<unknown, unknown> {
  readonly #onClosed: () => void;

  constructor(up: Run<unknown>, onClosed: () => void) {
    super(up);
    this.#onClosed = onClosed;
  }

  poll(): Step<unknown> {
    return this.up.poll();
  }

  override close(): void | PromiseLike<void> {
    let closing: void | PromiseLike<void>;
    try {
      closing = super.close();
    } catch (error) {
      this.#onClosed();
      throw error;
    }
    if (closing === undefined) this.#onClosed();
    else return Promise.resolve(closing).finally(this.#onClosed);
  }
}
