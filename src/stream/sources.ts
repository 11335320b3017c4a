/** The ways to make an {@link Enumerator}: what stands under that name for users of the package. */
export { from, of } from "./sources/iterables.ts";
export { unfold, unfoldAsync } from "./sources/unfold.ts";
export { interval } from "./sources/interval.ts";
export { unicast, type UnicastOptions } from "./sources/unicast.ts";
