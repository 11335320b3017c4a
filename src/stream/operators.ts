/** The ways to make an {@link Enumeratee}: what stands under that name for users of the package. */
export { compose } from "./operators/compose.ts";
export { filter } from "./operators/filter.ts";
export { heading } from "./operators/heading.ts";
export { map } from "./operators/map.ts";
export { mapAsync, type MapAsyncOptions } from "./operators/map-async.ts";
export { take } from "./operators/take.ts";
