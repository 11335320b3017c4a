import { aFunction, wholeNumber } from "../../core/options.ts";
import { ChannelRun, type Channel } from "../channel.ts";
import { Enumerator } from "../enumerator.ts";
import type { Run, Step, Wake } from "../run.ts";

/** Options of {@link unicast}. */
export interface UnicastOptions {
  /**
   * How many elements may wait for the reader: a whole number from 1 to 1,000,000; 1,024 by default. One more and the
   * source fails with `ERR_OVERFLOW`, after the elements that were waiting: nothing is lost in silence.
   */
  readonly capacity?: number;
}

/**
 * A source fed by hand, with a channel for each run. `onStart` is called at the start of every run with that run's
 * channel, and may keep it. What `onStart` returns, if it is a function, is called once when the run is over: the source
 * ended or failed, or its reader stopped. There it unsubscribes from whatever fed the channel.
 *
 * @throws {CometError} `ERR_OPTION` for a wrong argument. What `onStart` throws reaches the reader of that run.
 */
export function unicast<E>(
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a function that returns nothing may be given
  onStart: (channel: Channel<E>) => void | (() => void),
  options: UnicastOptions = {},
): Enumerator<E> {
  aFunction("The onStart of unicast", onStart);
  const capacity = wholeNumber("The capacity of unicast", options.capacity ?? 1024, 1, 1_000_000);
  return new Enumerator((wake) => new UnicastRun(onStart, capacity, wake));
}

class UnicastRun<E> implements Run<E> {
  readonly #channel: ChannelRun<E>;
  readonly #onStop: (() => void) | undefined;

  constructor(onStart: (channel: Channel<E>) => unknown, capacity: number, wake: Wake) {
    this.#channel = new ChannelRun(capacity, wake);
    const onStop = onStart(this.#channel);
    this.#onStop = typeof onStop === "function" ? (onStop as () => void) : undefined;
  }

  poll(): Step<E> {
    return this.#channel.poll();
  }

  close(): void {
    this.#channel.close();
    this.#onStop?.();
  }
}
