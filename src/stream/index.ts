import * as consumers from "./consumers.ts";
import type { Enumeratee as Adapter, Enumerator as Stream } from "./enumerator.ts";
import type { Iteratee as Consumer } from "./iteratee.ts";
import * as operators from "./operators.ts";
import * as sources from "./sources.ts";

export type { BoundOptions, WhenFull } from "./bounded-queue.ts";
export type { Channel, UnicastChannel } from "./channel.ts";
export type { Fold } from "./iteratee.ts";
export type { GroupedOptions, MapAsyncOptions, RunOutcome } from "./operators.ts";
export type { ReadableStreamOptions } from "./readable-stream.ts";
export type {
  Broadcast,
  EventSourceLike,
  Joined,
  ObservableLike,
  ObserverLike,
  PatchPanel,
  Source,
} from "./sources.ts";

/** A source of elements: a lazy `AsyncIterable`, with a run of its own for each reader. */
export type Enumerator<E> = Stream<E>;
/** The functions that create an `Enumerator`. @namespace */
export const Enumerator: typeof sources = sources;

/** An adapter: a function that turns any `AsyncIterable` of `A` into an `Enumerator` of `B`. */
export type Enumeratee<A, B> = Adapter<A, B>;
/** The functions that create an `Enumeratee`. @namespace */
export const Enumeratee: typeof operators = operators;

/** A consumer: folds the elements of a source into one result, at its own pace. */
export type Iteratee<E, R> = Consumer<E, R>;
/** The functions that create and combine an `Iteratee`. @namespace */
export const Iteratee: typeof consumers = consumers;
