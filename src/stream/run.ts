/**
 * The pull protocol beneath every Enumerator. A consumer *polls* a run; the run answers with an element that it has
 * at hand, with {@link END}, or with {@link WAIT}, and after a `WAIT` it calls the consumer's {@link Wake} once
 * polling may bring something again. Elements that are at hand pass through any number of operators as plain return
 * values: no promise, no allocation, no queue. And nothing is computed that was not asked for.
 *
 * The rules, for those who write a run:
 * - `poll` never waits, and may throw: the run has failed. After a throw or an `END` it is not polled again.
 * - A wake may come too often, or when nobody waits; it never comes from inside the run's own `poll`.
 * - `close` is called exactly once, by whoever opened the run: after `END`, after a throw, or in the middle. Sources
 *   let go of everything there; operators pass it on. What it returns or throws is the outcome of the clean-up.
 */
export interface Run<E> {
  poll(): Step<E>;
  close(): void | PromiseLike<void>;
}

/** What a poll answers. */
export type Step<E> = E | typeof WAIT | typeof END;

/** Tells the consumer that polling may bring something now. */
export type Wake = () => void;

/** Nothing at hand; a wake will follow. */
export const WAIT: unique symbol = Symbol("comet-sockets.wait");

/** There is nothing more. */
export const END: unique symbol = Symbol("comet-sockets.end");

/** Whether a poll brought no element. */
export function isSignal(step: unknown): step is typeof WAIT | typeof END {
  return step === WAIT || step === END;
}

/** Starts one run of a source. */
export type Open<E> = (wake: Wake) => Run<E>;

/** A source that is opened by this protocol; any other is opened as an `AsyncIterable`. */
export interface OwnSource<E> {
  _openRun(wake: Wake): Run<E>;
}

/** An operator that passes waiting and closing straight on to the run above it. */
export abstract class OperatorRun<A, B> implements Run<B> {
  protected readonly up: Run<A>;

  constructor(up: Run<A>) {
    this.up = up;
  }

  abstract poll(): Step<B>;

  close(): void | PromiseLike<void> {
    return this.up.close();
  }
}
