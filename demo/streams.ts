import { setTimeout as wait } from "node:timers/promises";
import { comet, Enumeratee, Enumerator, html, type Html } from "comet-sockets";

/** The output of `manual` and `enumeratee`. */
export const scripts = [
  "<script>console.log('kiki')</script>",
  "<script>console.log('foo')</script>",
  "<script>console.log('bar')</script>",
  "<script>console.log('end')</script>",
] as const;

const messages = ["kiki", "foo", "bar", "end"] as const;

/** A comet socket with nothing but strings. */
export function manual(delayMs: number): Enumerator<string> {
  return spaced(scripts, delayMs);
}

/** Each message made into its script by an adapter. */
export function enumeratee(delayMs: number): Enumerator<Html> {
  const toScript = Enumeratee.map((message: string) => html`<script>console.log(${message})</script>`);
  return spaced(messages, delayMs).through(toScript);
}

/** The same with the library's adapter, which also sends the padding that browsers expect first. */
export function helper(delayMs: number, nonce: string): Enumerator<Html> {
  return spaced(messages, delayMs).through(comet({ callback: "console.log", nonce }));
}

/** A comet socket for an iframe: the page around it has the callback. */
export function iframe(delayMs: number, nonce: string): Enumerator<Html> {
  return spaced(messages, delayMs).through(comet({ callback: "parent.cometMessage", nonce }));
}

/** The first element at once, each further one after a delay. A client that leaves ends the delay. */
function spaced<E>([first, ...rest]: readonly [E, ...E[]], delayMs: number): Enumerator<E> {
  return Enumerator.of(...rest)
    .through(Enumeratee.mapAsync((element, signal) => wait(delayMs, element, { signal })))
    .through(Enumeratee.heading(first));
}
