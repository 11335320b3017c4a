import { checkBound } from "../bounded-queue.ts";
import { ChannelRun } from "../channel.ts";
import { CometError } from "../../core/errors.ts";
import { Enumerator } from "../enumerator.ts";
import type { Fold, Iteratee } from "../iteratee.ts";
import type { Run, Step, Wake } from "../run.ts";

/** Both ends of {@link joined}. */
export interface Joined<E> {
  readonly iteratee: Iteratee<E, void>;
  readonly source: Enumerator<E>;
}

/**
 * Creates a consumer and a source that are joined: the source emits the consumer's elements, one at a time, with the
 * backpressure of its reader.
 *
 * The source ends when the consumer's input ends, fails or is aborted. When the reader stops, the consumer is done.
 * Each end can be used once, in either order.
 *
 * @throws {CometError} `ERR_SOURCE_USED` from the second use of an end.
 */
export function joined<E>(): Joined<E> {
  const bound = checkBound<E>("joined", { capacity: 1 });
  let wake: Wake = () => undefined;
  let left = false;
  const run = new ChannelRun<E>(bound, () => wake());
  const useSource = once("source");
  const useIteratee = once("iteratee");

  const source = new Enumerator<E>((reader) => {
    useSource();
    wake = reader;
    return new JoinedRun(run, () => (left = true));
  });
  const fold: Fold<E, void> = {
    get done() {
      return left;
    },
    take: (element) => {
      run.give(element);
      return run.drained();
    },
    finish: () => run.finish({}),
    close: () => run.finish({}),
  };
  const iteratee: Iteratee<E, void> = {
    start: () => {
      useIteratee();
      return fold;
    },
  };
  return { iteratee, source };
}

function once(what: string): () => void {
  let used = false;
  return () => {
    if (used) throw new CometError("ERR_SOURCE_USED", `The ${what} of joined can be used only once.`);
    used = true;
  };
}

class JoinedRun<E> implements Run<E> {
  readonly #run: ChannelRun<E>;
  readonly #onClose: () => void;

  constructor(run: ChannelRun<E>, onClose: () => void) {
    this.#run = run;
    this.#onClose = onClose;
  }

  poll(): Step<E> {
    return this.#run.poll();
  }

  close(): void {
    this.#onClose();
    this.#run.close();
  }
}
