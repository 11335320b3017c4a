import { CometError, describe } from "../../core/errors.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { openRun } from "../open.ts";
import { OperatorRun, type Run, type Step, type Wake } from "../run.ts";

/**
 * Fails with the signal's reason when the signal aborts, and stops the source; at once if it has aborted already. So
 * other code can end a `for await`. It pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if it is not an `AbortSignal`.
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

class AbortableRun<A> extends OperatorRun<A, A> {
  readonly #signal: AbortSignal;
  readonly #wake: Wake;

  constructor(up: Run<A>, signal: AbortSignal, wake: Wake) {
    super(up);
    this.#signal = signal;
    this.#wake = wake;
    signal.addEventListener("abort", wake);
  }

  poll(): Step<A> {
    this.#signal.throwIfAborted();
    return this.up.poll();
  }

  override close(): void | PromiseLike<void> {
    this.#signal.removeEventListener("abort", this.#wake);
    return super.close();
  }
}
