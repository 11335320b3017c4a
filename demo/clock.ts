import { setTimeout as wait } from "node:timers/promises";
import { Enumeratee, Enumerator } from "comet-sockets";

/** The server's time, as a message. */
export interface Reading {
  readonly epochMs: number;
  readonly timeZone: string;
  readonly utcOffsetMinutes: number;
}

const { timeZone } = Intl.DateTimeFormat().resolvedOptions();

/** The server's time, at once and then at every full second. */
export const readings: Enumerator<Reading> = Enumerator.unfoldAsync(0, async (time, signal) => {
  await wait(Math.max(0, time - Date.now()), undefined, { signal });
  const now = Date.now();
  return [now, now - (now % 1000) + 1000] as const;
}).through(
  Enumeratee.map((epochMs: number) => {
    return { epochMs, timeZone, utcOffsetMinutes: 0 - new Date(epochMs).getTimezoneOffset() };
  }),
);
