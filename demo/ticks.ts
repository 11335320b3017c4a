import { Enumeratee, Enumerator } from "comet-sockets";

const PERIOD_MS = 500;

/** A message of the page with the bad network. */
export interface Tick {
  readonly number: number;
  /** When it was published, in milliseconds since 1970. */
  readonly at: number;
}

/** A tick twice a second. Each run counts from 0. */
export const ticks: Enumerator<Tick> = Enumerator.interval(PERIOD_MS).through(
  Enumeratee.map((number: number) => ({ number, at: Date.now() })),
);
