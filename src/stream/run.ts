/**
 * One run of a source: the pull protocol of every Enumerator.
 *
 * A consumer *polls* a run. The run returns an available element, {@link END} or {@link WAIT}; after a `WAIT` it calls
 * the consumer's {@link Wake} once polling may return something again. Available elements pass through any number of
 * operators as plain return values: no promise, no allocation, no queue. Nothing is computed without demand.
 *
 * The rules of an implementation:
 * - `poll` MUST NOT wait. A throw fails the run. After a throw or an `END` it is not polled again.
 * - A wake MAY be spurious, or called while no consumer waits; it MUST NOT be called from inside the run's own `poll`.
 * - The opener of a run calls `close` exactly once: after `END`, after a throw, or in between. Sources release their
 *   resources there; operators pass it on. Its return value or throw is the outcome of the clean-up.
 */
export interface Run<E> {
  poll(): Step<E>;
  close(): void | PromiseLike<void>;
}

/** The result of a poll. */
export type Step<E> = E | typeof WAIT | typeof END;

/** Notifies the consumer that polling may return something now. */
export type Wake = () => void;

/** No element is available; a wake follows. */
export const WAIT: unique symbol = Symbol("comet-sockets.wait");

/** The source has ended. */
export const END: unique symbol = Symbol("comet-sockets.end");

/** Whether the result of a poll is no element. */
export function isSignal(step: unknown): step is typeof WAIT | typeof END {
  return step === WAIT || step === END;
}

/** Starts one run of a source. */
export type Open<E> = (wake: Wake) => Run<E>;

/** A source with this protocol; any other is opened as an `AsyncIterable`. */
export interface OwnSource<E> {
  _openRun(wake: Wake): Run<E>;
}

/** The base of operators that pass waiting and closing on to the run above. */
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
