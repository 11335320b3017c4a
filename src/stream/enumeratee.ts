import type { Enumerator } from "./enumerator.ts";

/**
 * An adapter: turns a source of `A` into an {@link Enumerator} of `B`. It is a plain function that takes any
 * `AsyncIterable`, and it does nothing until the result is read. Elements are pulled through it one at a time, as the
 * reader wants them; a reader who stops, stops the source; an error in the source or in the adapter reaches the reader,
 * and the source is stopped.
 *
 * Made by the functions beside this type: `Enumeratee.map`, `Enumeratee.filter`, `Enumeratee.compose` ...
 */
export type Enumeratee<A, B> = (source: AsyncIterable<A>) => Enumerator<B>;
