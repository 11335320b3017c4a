import type { Enumeratee } from "../enumeratee.ts";

type Any = Enumeratee<never, unknown>;

/** Several adapters as one, applied from left to right: `through(compose(f, g))` is `through(f).through(g)`. */
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
export function compose(first: Any, ...rest: readonly Any[]): Any {
  return (source) => rest.reduce((stream, adapter) => adapter(stream as AsyncIterable<never>), first(source));
}
