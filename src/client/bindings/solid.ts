import { batch, createEffect, createMemo, createSignal, onCleanup, untrack, type Accessor } from "solid-js";
import type { AnyEvents } from "../bare-source.ts";
import {
  cometStore,
  stateNames,
  type CometAddress,
  type CometState,
  type MessageOf,
  type UseCometOptions,
} from "./comet-store.ts";

export type { CometAddress, CometState, MessageOf, UseCometOptions };

/** The state of a stream: a signal for each member. */
export type CometSignals<Events = AnyEvents> = {
  readonly [Name in keyof CometState<Events>]: Accessor<CometState<Events>[Name]>;
};

/**
 * Follows the topics of an address while the component is mounted, and returns the state as signals.
 *
 * Components with equal addresses and options share one connection, which closes a second after the last of them has
 * unmounted. Without an address it opens nothing, and the state is `idle`. On a server and while Solid hydrates, the
 * state is `connecting` and nothing is open.
 *
 * @param url The address, or an accessor of it: another address closes the connection and opens another.
 * @example
 * const { data } = useComet<{ message: { title: string } }>(() => `/live?topic=${props.topic}`);
 */
export function useComet<Events = AnyEvents>(
  url: CometAddress | Accessor<CometAddress>,
  options?: UseCometOptions<Events>,
): CometSignals<Events> {
  const address = createMemo(() => String((typeof url === "function" ? url() : url) || ""));
  const { initial } = cometStore(untrack(address), options);
  const signals = stateNames.map((name) => [name, createSignal<unknown>(initial[name])] as const);
  createEffect(() => {
    const { getSnapshot, subscribe } = cometStore(address(), options);
    const update = (): void => {
      const state = getSnapshot();
      batch(() => {
        for (const [name, [, set]] of signals) set(() => state[name]);
      });
    };
    onCleanup(subscribe(update, options?.onMessage));
    update();
  });
  return Object.fromEntries(signals.map(([name, [get]]) => [name, get])) as object as CometSignals<Events>;
}
