import { addressOf, parsed, type ClientWire } from "../wire.ts";
import { openFrame } from "./frame.ts";

/** The functions of the page that its frames call, by their names. */
type Callbacks = Record<string, ((texts: readonly string[]) => void) | undefined>;

/** The forever iframe, from the page's own origin: it calls a function of the page. */
export const comet: ClientWire = {
  name: "comet",
  isPossible: () => typeof document === "object",
  open: (request, events) => {
    const callbacks = globalThis as unknown as Callbacks;
    // The lowest that is free, so that the page has few names.
    let n = 0;
    while (`comet${n}` in callbacks) n += 1;
    const name = `comet${n}`;
    const { ran, close } = openFrame(
      addressOf(request, { wire: "comet", mode: "managed", callback: `parent.${name}` }),
      events,
    );
    const call = (texts: readonly string[]): void => {
      ran(texts);
      events.received(parsed(texts));
    };
    callbacks[name] = call;
    return () => {
      close();
      // By now the name may be another's.
      if (callbacks[name] !== call) return;
      callbacks[name] = () => undefined;
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- else the page's names would become ever more.
      setTimeout(() => delete callbacks[name]);
    };
  },
};
