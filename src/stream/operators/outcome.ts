import { assertFunction } from "../../core/options.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { opener, openRun } from "../open.ts";
import { END, OperatorRun, type Run, type Step, type Wake } from "../run.ts";

/** The outcome of a run: the source `ended`, it `failed`, or the reader `stopped` it. */
export type RunOutcome =
  { readonly how: "ended" } | { readonly how: "failed"; readonly error: unknown } | { readonly how: "stopped" };

/**
 * Calls `f` once when a run is over, with any outcome, before the source cleans up; not for a run that never began. It
 * pulls one element for each that is wanted, and passes every error on.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors count as errors of the clean-up.
 */
export function onDone<A>(f: (outcome: RunOutcome) => void): Enumeratee<A, A> {
  assertFunction("The function of onDone", f);
  return (source) => new Enumerator((wake) => new OnDoneRun(openRun(source, wake), f));
}

/**
 * Continues with the source that `f` makes of an error, if the source fails; a failure of that one is final. The failed
 * source is stopped first. It pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader in place of the first error.
 */
export function recover<A, B = A>(f: (error: unknown) => AsyncIterable<B>): Enumeratee<A, A | B> {
  assertFunction("The function of recover", f);
  return (source) => new Enumerator<A | B>((wake) => new RecoverRun<A | B>(source, f, wake));
}

class OnDoneRun<A> extends OperatorRun<A, A> {
  readonly #f: (outcome: RunOutcome) => void;
  #outcome: RunOutcome = { how: "stopped" };

  constructor(up: Run<A>, f: (outcome: RunOutcome) => void) {
    super(up);
    this.#f = f;
  }

  poll(): Step<A> {
    try {
      const step = this.up.poll();
      if (step === END) this.#outcome = { how: "ended" };
      return step;
    } catch (error) {
      this.#outcome = { how: "failed", error };
      throw error;
    }
  }

  override close(): void | PromiseLike<void> {
    try {
      this.#f(this.#outcome);
    } catch (error) {
      // The first error counts, but the source must still clean up.
      const rethrow = (): never => {
        throw error;
      };
      const closing = this.up.close();
      return closing === undefined ? rethrow() : closing.then(rethrow, rethrow);
    }
    return this.up.close();
  }
}

class RecoverRun<A> implements Run<A> {
  readonly #f: (error: unknown) => AsyncIterable<A>;
  readonly #wake: Wake;
  readonly #open = opener();
  #up: Run<A> | undefined;
  #next: AsyncIterable<A> | undefined;
  #recovered = false;

  constructor(source: AsyncIterable<A>, f: (error: unknown) => AsyncIterable<A>, wake: Wake) {
    this.#f = f;
    this.#wake = wake;
    this.#next = source;
  }

  poll(): Step<A> {
    for (;;) {
      try {
        if (this.#next !== undefined) {
          const source = this.#next;
          this.#next = undefined;
          this.#up = this.#open(source, this.#wake);
        }
        return (this.#up as Run<A>).poll();
      } catch (error) {
        if (this.#recovered) throw error;
        this.#recovered = true;
        this.#closeFailed();
        this.#next = this.#f(error);
      }
    }
  }

  close(): void | PromiseLike<void> {
    return this.#up?.close();
  }

  /** Closes the failed source. An error of its clean-up is dropped: the first error counts. */
  #closeFailed(): void {
    const up = this.#up;
    this.#up = undefined;
    try {
      up?.close()?.then(undefined, () => undefined);
    } catch {
      // As above.
    }
  }
}
