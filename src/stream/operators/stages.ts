import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { openRun } from "../open.ts";
import { isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { SKIP, type Stage, type StageChain } from "../stage-chain.ts";

/**
 * Creates an operator that neither waits nor ends; `begin` makes its stage for each run. Consecutive operators of this
 * kind become one run with one loop: an element passes all of them in one poll.
 */
export function stage<A, B>(begin: () => Stage<A, B>): Enumeratee<A, B> {
  return (source) => {
    const own = source instanceof Enumerator ? source : undefined;
    const chain: StageChain = { root: own?._stages?.root ?? source, before: own?._stages, begin };
    const open = (wake: () => void): Run<B> => new StagesRun<B>(openRun(chain.root, wake), begun(chain));
    return new Enumerator(open, { atHand: own?._atHand === true, stages: chain });
  };
}

function begun(chain: StageChain): Stage<unknown, unknown>[] {
  const stages: Stage<unknown, unknown>[] = [];
  for (let at: StageChain | undefined = chain; at !== undefined; at = at.before) {
    stages.push(at.begin() as Stage<unknown, unknown>);
  }
  return stages.reverse();
}

class StagesRun<B> extends OperatorRun<unknown, B> {
  readonly #stages: readonly Stage<unknown, unknown>[];

  constructor(up: Run<unknown>, stages: readonly Stage<unknown, unknown>[]) {
    super(up);
    this.#stages = stages;
  }

  poll(): Step<B> {
    for (;;) {
      const step = this.up.poll();
      if (isSignal(step)) return step;
      const element = this.#through(step);
      if (element !== SKIP) return element as B;
    }
  }

  #through(element: unknown): unknown {
    const stages = this.#stages;
    for (let i = 0; i < stages.length && element !== SKIP; i += 1) {
      element = (stages[i] as Stage<unknown, unknown>)(element);
    }
    return element;
  }
}
