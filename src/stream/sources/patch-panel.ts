import { CometError } from "../../core/errors.ts";
import { assertFunction } from "../../core/options.ts";
import { closeAll } from "../close.ts";
import { Enumerator } from "../enumerator.ts";
import { opener } from "../open.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../run.ts";

/** A panel where sources are plugged in, one at a time. */
export interface PatchPanel<E> {
  /**
   * Replaces the current source by `source`. The one before is stopped, and an element of it that the reader has not
   * taken is lost. A source that ends leaves the panel empty. A source that fails, fails the whole.
   *
   * @returns Whether the run still has a reader.
   * @throws {CometError} `ERR_CHANNEL_ENDED` after `end`.
   */
  patch(source: AsyncIterable<E>): boolean;
  /** Ends the run when the current source has ended. @throws {CometError} `ERR_CHANNEL_ENDED` after `end`. */
  end(): void;
}

/**
 * Creates a source whose source can be changed while it runs. `onStart` is called at the start of every run with a
 * panel for that run, and may keep it. If it returns a function, that is called once when the run is over.
 *
 * @throws {CometError} `ERR_OPTION` if `onStart` is not a function. Its errors reach the reader, and so do those of the
 *   clean-up of a replaced source.
 */
export function patchPanel<E>(
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a function that returns nothing may be given
  onStart: (panel: PatchPanel<E>) => void | (() => void),
): Enumerator<E> {
  assertFunction("The onStart of patchPanel", onStart);
  return new Enumerator((wake) => new PatchPanelRun(onStart, wake));
}

class PatchPanelRun<E> implements Run<E>, PatchPanel<E> {
  readonly #wake: Wake;
  readonly #onStop: (() => void) | undefined;
  readonly #open = opener();
  #run: Run<E> | undefined;
  #ended = false;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(onStart: (panel: PatchPanel<E>) => unknown, wake: Wake) {
    this.#wake = wake;
    const onStop = onStart({ patch: (source) => this.patch(source), end: () => this.end() });
    this.#onStop = typeof onStop === "function" ? (onStop as () => void) : undefined;
  }

  patch(source: AsyncIterable<E>): boolean {
    this.#assertOpen("patch");
    if (this.#closed) return false;
    this.#unplug();
    try {
      this.#run = this.#open(source, this.#wake);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#wake();
    return true;
  }

  end(): void {
    this.#assertOpen("end");
    this.#ended = true;
    this.#wake();
  }

  poll(): Step<E> {
    this.#assertWell();
    const step = this.#run === undefined ? END : this.#run.poll();
    if (step !== END) return step;
    this.#unplug();
    this.#assertWell();
    return this.#ended ? END : WAIT;
  }

  close(): void | PromiseLike<void> {
    this.#closed = true;
    const run = this.#run;
    this.#run = undefined;
    return closeAll([...(run === undefined ? [] : [run]), { poll: () => END, close: () => this.#onStop?.() }]);
  }

  #unplug(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    try {
      run.close()?.then(undefined, (error: unknown) => this.#fail(error));
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #assertWell(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #assertOpen(what: string): void {
    if (!this.#ended) return;
    throw new CometError("ERR_CHANNEL_ENDED", `panel.${what}() was called after the panel's end().`);
  }
}
