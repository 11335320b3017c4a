/** The functions that create an {@link Enumerator}: the members of the value of that name. */
export { broadcast, type Broadcast } from "./sources/broadcast.ts";
export { concat, defer, interleave, zip } from "./sources/combine.ts";
export { from, of, type Source } from "./sources/from.ts";
export { interval } from "./sources/interval.ts";
export { joined, type Joined } from "./sources/joined.ts";
export { fromEvent, type EventSourceLike, type ObservableLike, type ObserverLike } from "./sources/observe.ts";
export { patchPanel, type PatchPanel } from "./sources/patch-panel.ts";
export { empty, fail, generateAsync, never, repeat, repeatAsync, timer } from "./sources/simple.ts";
export { unfold, unfoldAsync } from "./sources/unfold.ts";
export { unicast } from "./sources/unicast.ts";
