/** The state of one run of an {@link Iteratee}. */
export interface Fold<E, R> {
  /** Whether it needs no more elements. It is read before each of them. */
  readonly done: boolean;
  /** Takes one element. If it returns a promise, the next follows when that is fulfilled; a rejection fails the run. */
  take(element: E): unknown;
  /** Returns the result. It is called once, when the fold is done or the source has ended. */
  finish(): R | PromiseLike<R>;
  /** Called instead of `finish` if the source has failed or the run was aborted. */
  close?(): void;
}

/**
 * A consumer: folds the elements of a source into one result.
 *
 * It can be used for any number of runs, each with a state of its own. It takes one element at a time, at its own pace:
 * while it waits, nothing is pulled. When it is done, the source is stopped.
 *
 * Create it with functions such as `Iteratee.fold`, run it with `source.run(iteratee)`, and combine it with
 * `Iteratee.map`, `Iteratee.flatMap` and `Iteratee.zip`.
 */
export interface Iteratee<in E, out R> {
  start(): Fold<E, R>;
}
