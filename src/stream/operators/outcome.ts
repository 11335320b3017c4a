import { assertFunction } from "../../core/options.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { opener, openRun } from "../open.ts";
import { END, OperatorRun, type Run, type Step, type Wake } from "../run.ts";

/** How a run was over: the source `ended`, it `failed`, or the reader `stopped` it. */
export type RunOutcome =
  { readonly how: "ended" } | { readonly how: "failed"; readonly error: unknown } | { readonly how: "stopped" };

/**
 * Calls `f` once when a run is over, however it is, before the source cleans up. A run that never began is not told.
 * Pulls one element for each that is wanted, and hands on every error.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws counts as an error of the clean-up.
 */
export function onDone<A>(f: (outcome: RunOutcome) => void): Enumeratee<A, A> {
  assertFunction("The function of onDone", f);
  return (source) => new Enumerator((wake) => new OnDoneRun(openRun(source, wake), f));
}

/**
 * If the source fails, goes on with the source that `f` makes of the error; a failure of that one is final. The failed
 * source is stopped first. Pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader in place of the error.
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
      // The first error counts, but the source is to clean up all the same.
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

  /** As everywhere, what goes wrong in the clean-up of a source that has failed is not told. */
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
