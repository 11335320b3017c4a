import { CometError, describe } from "../../core/errors.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { openRun } from "../open.ts";
import { OperatorRun, type Run, type Step, type Wake } from "../run.ts";

/**
 * Passes elements through until a signal aborts; then the stream fails with the signal's reason, and the source stops. In this way
 * other code makes a `for await` throw. The operator pulls one element for each that its reader requests, and an abort comes before
 * elements that are ready. If the signal has aborted before the stream is read, the source is never opened.
 *
 * @throws {CometError} `ERR_OPTION` if `signal` is not an `AbortSignal` of this realm.
 */
export function abortable<A>(signal: AbortSignal): Enumeratee<A, A> {
  if (!((signal as unknown) instanceof AbortSignal)) {
    throw new CometError("ERR_OPTION", `abortable takes an AbortSignal, not ${describe(signal)}.`);
  }
  return (source) =>
    new Enumerator((wake) => {
      signal.throwIfAborted();
      return new AbortableRun(openRun(source, wake), signal, wake);
    });
}

/** The abort only wakes the reader; the next `poll` throws. The `Pump` closes a run exactly once, also after an error. */
class AbortableRun<A> extends OperatorRun<A, A> {
  readonly #signal: AbortSignal;
  /** A listener of this run's own: several runs may share one `wake`, and a signal keeps equal listeners once. */
  readonly #onAbort: () => void;

  constructor(up: Run<A>, signal: AbortSignal, wake: Wake) {
    super(up);
    this.#signal = signal;
    this.#onAbort = () => wake();
    signal.addEventListener("abort", this.#onAbort);
  }

  poll(): Step<A> {
    this.#signal.throwIfAborted();
    return this.up.poll();
  }

  override close(): void | PromiseLike<void> {
    this.#signal.removeEventListener("abort", this.#onAbort);
    return super.close();
  }
}
