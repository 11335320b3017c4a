import type { ClientWire } from "../wire.ts";

/** Twice, so that a moment without a network is not taken for a proxy that holds streams back. */
const TWICE = 2;

/** How often each wire was silent at an address where another delivered, for as long as the tab lives. */
export class SilentWires {
  readonly #key: string;
  #times: Record<string, number> = {};

  constructor({ origin, pathname }: URL) {
    this.#key = `comet-sockets ${origin}${pathname}`;
    // There is no storage in workers and outside of browsers, and a sandboxed page may not have it.
    try {
      this.#times = JSON.parse(sessionStorage[this.#key] as string) as Record<string, number>;
    } catch {
      // Then nothing is known.
    }
  }

  has({ name }: ClientWire): boolean {
    return (this.#times[name] ?? 0) >= TWICE;
  }

  /** Counts one that was silent, or begins anew with one that was not. */
  count({ name }: ClientWire, isSilent: boolean): void {
    this.#times[name] = isSilent ? (this.#times[name] ?? 0) + 1 : 0;
    try {
      sessionStorage[this.#key] = JSON.stringify(this.#times);
    } catch {
      // Then it is known here alone.
    }
  }
}
