/** The functions that create an {@link Enumeratee}: the members of the value of that name. */
export { abortable } from "./operators/abortable.ts";
export { buffer } from "./operators/buffer.ts";
export { compose } from "./operators/compose.ts";
export { collect, distinctUntilChanged, filter, filterNot } from "./operators/filter.ts";
export { flatMap, mapConcat } from "./operators/flat-map.ts";
export { grouped, type GroupedOptions } from "./operators/grouped.ts";
export { heading, trailing } from "./operators/heading.ts";
export { map, scan, tap } from "./operators/map.ts";
export { mapAsync, type MapAsyncOptions } from "./operators/map-async.ts";
export { onDone, recover, type RunOutcome } from "./operators/outcome.ts";
export { drop, dropWhile, take, takeWhile } from "./operators/take.ts";
export { debounce, sample, throttle, timeout } from "./operators/time.ts";
