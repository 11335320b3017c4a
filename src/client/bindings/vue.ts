import { getCurrentInstance, onMounted, shallowRef, toValue, watch, type MaybeRefOrGetter, type ShallowRef } from "vue";
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

/** The state of a stream: a ref for each member. */
export type CometRefs<Events = AnyEvents> = {
  readonly [Name in keyof CometState<Events>]: Readonly<ShallowRef<CometState<Events>[Name]>>;
};

/**
 * Follows the topics of an address while the component is mounted, and returns the state as refs.
 *
 * Components with equal addresses and options share one connection, which closes a second after the last of them has
 * unmounted. Without an address it opens nothing, and the state is `idle`. On a server and while Vue hydrates, the
 * state is `connecting` and nothing is open.
 *
 * Outside of a component it follows at once, until the effect scope around it stops; on a server it opens nothing.
 *
 * @param url The address, or a ref or getter of it: another address closes the connection and opens another.
 * @example
 * const { data } = useComet<{ message: { title: string } }>(() => `/live?topic=${props.topic}`);
 */
export function useComet<Events = AnyEvents>(
  url: MaybeRefOrGetter<CometAddress>,
  options?: UseCometOptions<Events>,
): CometRefs<Events> {
  const { initial } = cometStore(toValue(url), options);
  const refs = Object.fromEntries(stateNames.map((name) => [name, shallowRef(initial[name])])) as Record<
    keyof CometState,
    ShallowRef
  >;
  const follow = (): void => {
    watch(
      () => String(toValue(url) || ""),
      (address, _, onCleanup) => {
        const { getSnapshot, subscribe } = cometStore(address, options);
        const update = (): void => {
          const state = getSnapshot();
          for (const name of stateNames) refs[name].value = state[name];
        };
        onCleanup(subscribe(update, options?.onMessage));
        update();
      },
      { immediate: true },
    );
  };
  // Once mounted, so that the first rendering is that of the server.
  if (getCurrentInstance()) onMounted(follow);
  else if (typeof document !== "undefined") follow();
  return refs as object as CometRefs<Events>;
}
