"use client";

import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { AnyEvents } from "../bare-source.ts";
import {
  cometStore,
  storeKey,
  type CometAddress,
  type CometState,
  type MessageOf,
  type UseCometOptions,
} from "./comet-store.ts";

export type { CometAddress, CometState, MessageOf, UseCometOptions };

/** Options of `useComet` with a selector. */
export interface SelectCometOptions<Events = AnyEvents, Selected = unknown> extends UseCometOptions<Events> {
  /**
   * Selects a value from the state. The component renders only when `Object.is` finds the value changed, so a selector
   * returns a primitive or a part of the data, and no new object.
   */
  readonly select: (state: CometState<Events>) => Selected;
}

/**
 * Follows the topics of an address while the component is mounted, and returns the state or the selected value.
 *
 * Components with equal addresses and options share one connection, which closes a second after the last of them has
 * unmounted. Without an address it opens nothing, and the state is `idle`. On a server and while React hydrates, the
 * state is `connecting` and nothing is open.
 *
 * `onMessage` and `select` may be new functions in every render. Another option that is a function, and a wire, is
 * read when the component mounts or its address changes.
 *
 * @example
 * const { data } = useComet<{ message: { title: string } }>("/live?topic=news");
 */
export function useComet<Events = AnyEvents, Selected = unknown>(
  url: CometAddress,
  options: SelectCometOptions<Events, Selected>,
): Selected;
/** Follows the topics of an address while the component is mounted, and returns the whole state. */
export function useComet<Events = AnyEvents>(url: CometAddress, options?: UseCometOptions<Events>): CometState<Events>;
export function useComet<Events>(
  url: CometAddress,
  options: UseCometOptions<Events> & Partial<SelectCometOptions<Events>> = {},
): unknown {
  const { onMessage, select } = options;
  const latest = useRef(onMessage);
  useEffect(() => {
    latest.current = onMessage;
  });
  // A function that is written into the call is another one in every render: it must not open another connection.
  const key = storeKey(url, options, () => 0);
  const store = useMemo(() => {
    const { initial, getSnapshot, subscribe } = cometStore(url, options);
    return {
      initial,
      getSnapshot,
      subscribe: (onChange: () => void) => subscribe(onChange, (message) => latest.current?.(message)),
    };
  }, [key]);
  const read = useMemo(() => (select ? memoized(select) : undefined), [select]);
  const { initial, getSnapshot, subscribe } = store;
  return useSyncExternalStore<unknown>(
    subscribe,
    read ? () => read(getSnapshot()) : getSnapshot,
    read ? () => read(initial) : () => initial,
  );
}

/** Returns a function that keeps its last result: React renders without end if a state has a new value at each reading. */
function memoized<State, Value>(select: (state: State) => Value): (state: State) => Value {
  let last: { readonly state: State; readonly value: Value } | undefined;
  return (state) => {
    if (last?.state !== state) last = { state, value: select(state) };
    return last.value;
  };
}
