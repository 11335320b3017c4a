import type { Enumeratee } from "../enumerator.ts";
import { from } from "../sources/from.ts";

/* eslint-disable @typescript-eslint/no-explicit-any -- only neighbours in a chain know each other's types */
type Any = Enumeratee<any, any>;

/** The parts of composed adapters, so that a chain of any length is applied in a loop. */
const partsOf = new WeakMap<Any, readonly Any[]>();

/**
 * Composes several adapters into one, applied from left to right: `through(compose(f, g))` is `through(f).through(g)`.
 */
export function compose<A>(): Enumeratee<A, A>;
export function compose<A, B>(f: Enumeratee<A, B>): Enumeratee<A, B>;
export function compose<A, B, C>(f: Enumeratee<A, B>, g: Enumeratee<B, C>): Enumeratee<A, C>;
export function compose<A, B, C, D>(f: Enumeratee<A, B>, g: Enumeratee<B, C>, h: Enumeratee<C, D>): Enumeratee<A, D>;
export function compose<A, B, C, D, E>(
  f: Enumeratee<A, B>,
  g: Enumeratee<B, C>,
  h: Enumeratee<C, D>,
  i: Enumeratee<D, E>,
): Enumeratee<A, E>;
export function compose<A, B, C, D, E, F>(
  f: Enumeratee<A, B>,
  g: Enumeratee<B, C>,
  h: Enumeratee<C, D>,
  i: Enumeratee<D, E>,
  j: Enumeratee<E, F>,
): Enumeratee<A, F>;
// eslint-disable-next-line @typescript-eslint/unified-signatures -- no adapter at all is a case of its own
export function compose<A>(...adapters: readonly Enumeratee<A, A>[]): Enumeratee<A, A>;
export function compose(...adapters: readonly Any[]): Any {
  const parts = adapters.flatMap((adapter) => partsOf.get(adapter) ?? [adapter]);
  const composed: Any = (source) => parts.reduce((stream, part) => part(stream), from<unknown>(source));
  partsOf.set(composed, parts);
  return composed;
}
