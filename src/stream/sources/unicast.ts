import { assertFunction } from "../../core/options.ts";
import { checkBound, type Bound, type BoundOptions } from "../bounded-queue.ts";
import { assertOpen, ChannelRun, type ChannelOutcome, type UnicastChannel } from "../channel.ts";
import { Enumerator } from "../enumerator.ts";
import type { Run, Step, Wake } from "../run.ts";

/**
 * Creates a source with an imperative channel for each run. `onStart` is called at the start of every run with that
 * run's channel, which it may keep. If it returns a function, that function is called once when the run is over: the source
 * ended or failed, or its reader stopped. Unsubscribe the producer in it.
 *
 * Pushed elements wait for the reader within the bound of `options`.
 *
 * @throws {CometError} `ERR_OPTION` for a wrong argument. Errors of `onStart` reach the reader of that run.
 */
export function unicast<E>(
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a function that returns nothing may be given
  onStart: (channel: UnicastChannel<E>) => void | (() => void),
  options: BoundOptions<E> = {},
): Enumerator<E> {
  assertFunction("The onStart of unicast", onStart);
  const bound = checkBound("unicast", options);
  return new Enumerator((wake) => new UnicastRun(onStart, bound, wake));
}

/** A run with the clean-up that `onStart` returned. The `Pump` closes each run exactly once. */
class UnicastRun<E> implements Run<E> {
  readonly #run: ChannelRun<E>;
  readonly #onStop: (() => void) | undefined;

  constructor(onStart: (channel: UnicastChannel<E>) => unknown, bound: Bound<E>, wake: Wake) {
    this.#run = new ChannelRun(bound, wake);
    const onStop = onStart(new RunChannel(this.#run));
    this.#onStop = typeof onStop === "function" ? (onStop as () => void) : undefined;
  }

  poll(): Step<E> {
    return this.#run.poll();
  }

  close(): void {
    this.#run.close();
    this.#onStop?.();
  }
}

/** The producer's end of one run. */
class RunChannel<E> implements UnicastChannel<E> {
  readonly #run: ChannelRun<E>;
  #outcome: ChannelOutcome | undefined;

  constructor(run: ChannelRun<E>) {
    this.#run = run;
  }

  push(element: E): boolean {
    assertOpen("push", this.#outcome);
    return this.#run.give(element);
  }

  end(): void {
    this.#finish("end", {});
  }

  fail(error: unknown): void {
    this.#finish("fail", { error });
  }

  ready(): Promise<void> {
    return this.#run.drained();
  }

  #finish(what: "end" | "fail", outcome: ChannelOutcome): void {
    assertOpen(what, this.#outcome);
    this.#outcome = outcome;
    this.#run.finish(outcome);
  }
}
