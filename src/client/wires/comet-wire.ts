import { addressOf, type ClientWire } from "../client-wire.ts";
import { openFrame } from "./open-frame.ts";

/** The page's functions that its iframes call, by name. */
type FrameCallbacks = Record<string, ((texts: readonly string[]) => void) | undefined>;

/**
 * The wire `comet`: a forever iframe of the page's own origin, which calls a function of the page.
 *
 * The name of a callback must begin with `comet`, alone or after `parent.`: a hub calls no others by default. A callback is replaced by
 * one that does nothing before it is deleted, since the iframe may call it until the iframe is removed.
 */
export const comet: ClientWire = {
  name: "comet",
  isPossible: () => typeof document === "object",
  open: (request, events) => {
    const callbacks = globalThis as unknown as FrameCallbacks;
    // The lowest free number: names are used again.
    let n = 0;
    while (`comet${n}` in callbacks) n += 1;
    const name = `comet${n}`;
    const { receive, close } = openFrame(
      addressOf(request, { wire: "comet", mode: "managed", callback: `parent.${name}` }),
      request,
      events,
    );
    callbacks[name] = receive;
    return () => {
      close();
      // When this is called twice, another connection may own the name by now.
      if (callbacks[name] !== receive) return;
      callbacks[name] = () => undefined;
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- otherwise the page would collect names without end.
      setTimeout(() => delete callbacks[name]);
    };
  },
};
