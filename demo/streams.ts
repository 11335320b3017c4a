import { setTimeout as wait } from "node:timers/promises";
import { comet, Enumeratee, Enumerator, html, type Html } from "comet-sockets";
import type { MachineFeed } from "./machine-feed.ts";

/** What `manual` sends, and `enumeratee` arrives at. */
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

/** The same with the library's adapter, which also sends what browsers want to see first. */
export function helper(delayMs: number, nonce: string): Enumerator<Html> {
  return spaced(messages, delayMs).through(comet({ callback: "console.log", nonce }));
}

/** A comet socket for an iframe: the page around it has the callback. */
export function iframe(delayMs: number, nonce: string): Enumerator<Html> {
  return spaced(messages, delayMs).through(comet({ callback: "parent.cometMessage", nonce }));
}

/** The server's time, now and then at every full second. */
export function clock(nonce: string): Enumerator<Html> {
  const seconds = Enumerator.unfoldAsync(Date.now(), async (time, signal) => {
    await wait(Math.max(0, time - Date.now()), undefined, { signal });
    const now = Date.now();
    return [now, now - (now % 1000) + 1000] as const;
  });
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const toReading = Enumeratee.map((epochMs: number) => {
    return { epochMs, timeZone, utcOffsetMinutes: 0 - new Date(epochMs).getTimezoneOffset() };
  });
  return seconds.through(toReading).through(comet({ callback: "parent.cometMessage", nonce }));
}

/** How this machine has fared for the last minute, and how it fares. */
export function machine(feed: MachineFeed, nonce: string): Enumerator<Html> {
  return feed.messages.through(comet({ callback: "parent.cometMessage", nonce }));
}

/** The first element at once, each further one after a delay. A client that leaves ends the delay. */
function spaced<E>([first, ...rest]: readonly [E, ...E[]], delayMs: number): Enumerator<E> {
  return Enumerator.of(...rest)
    .through(Enumeratee.mapAsync((element, signal) => wait(delayMs, element, { signal })))
    .through(Enumeratee.heading(first));
}
