/** One run of an {@link Iteratee}: what it has made of the elements so far. */
export interface Fold<E, R> {
  /** Whether it has enough: then it is given no more. Asked before every element. */
  readonly done: boolean;
  /** Takes one element. If it answers a promise, the next comes when that is fulfilled; a rejection fails the run. */
  take(element: E): unknown;
  /** The result: called once, when it has enough or there is no more. */
  finish(): R | PromiseLike<R>;
  /** Called instead of `finish` if the source has failed, or the run was aborted. */
  close?(): void;
}

/**
 * A consumer: folds the elements of a source into one result. It can be used for any number of runs; each begins anew. It
 * takes one element at a time, at its own pace: while it waits, nothing is pulled. When it has enough, the source is stopped.
 *
 * Made by the functions beside this type, such as `Iteratee.fold`, run by `source.run(iteratee)`, and combined by
 * `Iteratee.map`, `Iteratee.flatMap` and `Iteratee.zip`.
 */
export interface Iteratee<in E, out R> {
  start(): Fold<E, R>;
}
