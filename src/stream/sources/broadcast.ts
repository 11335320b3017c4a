import { checkBound, type BoundOptions } from "../bounded-queue.ts";
import { assertOpen, ChannelRun, type Channel, type ChannelOutcome } from "../channel.ts";
import { Enumerator } from "../enumerator.ts";

/** Both ends of a {@link broadcast}. */
export interface Broadcast<E> {
  readonly source: Enumerator<E>;
  readonly channel: Channel<E>;
  /** The number of current readers. */
  readonly readers: number;
}

/**
 * Creates one channel for any number of readers: each run of `source` receives the elements that are pushed after its
 * first pull.
 *
 * Every reader has a queue of its own, with the bound of `options`, so a slow reader never stalls the others and never
 * holds more than its bound; the elements themselves are shared. By default a reader that lags by more than 1,024
 * elements fails with `ERR_OVERFLOW`, and the others are not affected.
 *
 * `push` returns whether a reader received the element. After `end` or `fail`, a new run ends or fails at once.
 *
 * @throws {CometError} `ERR_OPTION` for a wrong option.
 */
export function broadcast<E>(options: BoundOptions<E> = {}): Broadcast<E> {
  const bound = checkBound("broadcast", options);
  const runs = new Set<ChannelRun<E>>();
  let outcome: ChannelOutcome | undefined;

  const source = new Enumerator<E>((wake) => {
    const run = new BroadcastRun(bound, wake, () => runs.delete(run));
    if (outcome === undefined) runs.add(run);
    else run.finish(outcome);
    return run;
  });

  const finish = (what: "end" | "fail", how: ChannelOutcome): void => {
    assertOpen(what, outcome);
    outcome = how;
    for (const run of [...runs]) run.finish(how);
    runs.clear();
  };
  const channel: Channel<E> = {
    push: (element) => {
      assertOpen("push", outcome);
      let taken = false;
      // Readers may be added and removed in this loop. It does not visit added ones.
      let left = runs.size;
      for (const run of runs) {
        if (left-- === 0) break;
        if (run.give(element)) taken = true;
      }
      return taken;
    },
    end: () => finish("end", {}),
    fail: (error) => finish("fail", { error }),
  };
  return {
    source,
    channel,
    get readers() {
      return runs.size;
    },
  };
}

class BroadcastRun<E> extends ChannelRun<E> {
  readonly #onClose: () => void;

  constructor(...[bound, wake, onClose]: [...ConstructorParameters<typeof ChannelRun<E>>, () => void]) {
    super(bound, wake);
    this.#onClose = onClose;
  }

  override close(): void {
    this.#onClose();
    super.close();
  }
}
