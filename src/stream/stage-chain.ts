/** What a stage answers for an element that goes no further. */
export const SKIP: unique symbol = Symbol("comet-sockets.skip");

/** What an operator that neither waits nor ends does with each element of one run. */
export type Stage<A, B> = (element: A) => B | typeof SKIP;

/** Stages one after the other, the last first, over the source that they all lie upon. */
export interface StageChain {
  readonly root: AsyncIterable<unknown>;
  readonly before: StageChain | undefined;
  readonly begin: () => Stage<never, unknown>;
}
