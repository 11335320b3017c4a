/**
 * The form of this run. `npm run test:soak` sets `SOAK_SECONDS`, how long the soak may take, for the short form: less of the same work, with the
 * same checks. Without the variable the soak runs in full.
 */
const seconds = process.env["SOAK_SECONDS"];

export const isShort: boolean = seconds !== undefined;

/** An amount of work: that of this run's form, or what an environment variable says. */
export function amount(variable: string, full: number, short: number): number {
  return Number(process.env[variable] ?? (isShort ? short : full));
}

/**
 * A share of the time of the short form, in milliseconds; Infinity in full. A part that takes longer than its share stops with less work
 * than it was to do, and still checks all of it.
 *
 * @param share From 0 to 1.
 */
export function shortMs(share: number): number {
  return isShort ? Number(seconds) * 1000 * share : Infinity;
}
