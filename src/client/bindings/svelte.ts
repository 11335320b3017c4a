import { onMount } from "svelte";
import { createSubscriber } from "svelte/reactivity";
import { toStore } from "svelte/store";
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

/**
 * Follows the topics of an address while an effect or a component reads the state, and returns the state as an object
 * with reactive getters. Do not destructure it.
 *
 * Objects with equal addresses and options share one connection, which closes a second after the last reader is gone.
 * Without an address it opens nothing, and the state is `idle`. On a server and while Svelte hydrates, the state is
 * `connecting` and nothing is open.
 *
 * It may be called in a component or in a module. With the option `onMessage` it must be called while a component
 * initialises; then it follows while the component is mounted, whether the state is read or not.
 *
 * @param url The address, or a getter of it: another address closes the connection and opens another.
 * @throws {Error} Svelte's `lifecycle_outside_component`, with `onMessage` outside of a component's initialisation.
 * @example
 * const news = useComet<{ message: { title: string } }>(() => `/live?topic=${topic}`);
 */
export function useComet<Events = AnyEvents>(
  url: CometAddress | (() => CometAddress),
  options: UseCometOptions<Events> = {},
): CometState<Events> {
  const { onMessage } = options;
  const addressOf = (): string => String((typeof url === "function" ? url() : url) || "");
  let reader: { readonly address: string; readonly read: () => CometState<Events> } | undefined;
  const read = (): CometState<Events> => {
    const address = addressOf();
    // The effects that read the old address run again, and none reads its reader any more.
    if (reader?.address !== address) reader = { address, read: createReader(address, options) };
    return reader.read();
  };
  if (onMessage) {
    onMount(() => {
      let stop = (): void => undefined;
      const end = toStore(addressOf).subscribe((address) => {
        stop();
        stop = cometStore(address, options).subscribe(() => undefined, onMessage);
      });
      return () => {
        end();
        stop();
      };
    });
  }
  return Object.defineProperties(
    {},
    Object.fromEntries(stateNames.map((name) => [name, { enumerable: true, get: () => read()[name] }])),
  ) as CometState<Events>;
}

/** Returns a function that reads the state of one address, and follows it while effects read it. */
function createReader<Events>(address: string, options: UseCometOptions<Events>): () => CometState<Events> {
  const { initial, getSnapshot, subscribe } = cometStore(address, options);
  let isFollowing = false;
  const track = createSubscriber((update) => {
    let stop: (() => void) | undefined = subscribe(update);
    // Svelte hydrates in one task: until that is over, the state is that of the server.
    queueMicrotask(() => {
      if (!stop) return;
      isFollowing = true;
      if (getSnapshot() !== initial) update();
    });
    return () => {
      isFollowing = false;
      stop?.();
      stop = undefined;
    };
  });
  return () => {
    track();
    return isFollowing ? getSnapshot() : initial;
  };
}
