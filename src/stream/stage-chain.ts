/** The result of a stage that drops an element. */
export const SKIP: unique symbol = Symbol("comet-sockets.skip");

/** The function of an operator that neither waits nor ends, for each element of one run. */
export type Stage<A, B> = (element: A) => B | typeof SKIP;

/** A linked list of stages, the last first, over one source. */
export interface StageChain {
  readonly root: AsyncIterable<unknown>;
  readonly before: StageChain | undefined;
  readonly begin: () => Stage<never, unknown>;
}
