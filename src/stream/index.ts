import type { Enumeratee as Adapter } from "./enumeratee.ts";
import type { Enumerator as Source } from "./enumerator.ts";
import * as operators from "./operators.ts";
import * as sources from "./sources.ts";

export type { Channel } from "./channel.ts";
export type { MapAsyncOptions } from "./operators.ts";
export type { UnicastOptions } from "./sources.ts";

/** A source of elements: lazy, an `AsyncIterable`, with a run of its own for each reader. */
export type Enumerator<E> = Source<E>;
/** The ways to make an `Enumerator`. */
export const Enumerator: typeof sources = sources;

/** An adapter: a function that turns a source of `A`, any `AsyncIterable`, into an `Enumerator` of `B`. */
export type Enumeratee<A, B> = Adapter<A, B>;
/** The ways to make an `Enumeratee`. */
export const Enumeratee: typeof operators = operators;
