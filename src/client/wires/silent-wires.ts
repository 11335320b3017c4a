import type { ClientWire } from "../wire.ts";

/** Twice, so that a moment without a network is not taken for a proxy that holds streams back. */
const TWICE = 2;

/** How often each wire was silent at an address where another delivered, for as long as the tab lives. */
export interface SilentWires {
  readonly has: (wire: ClientWire) => boolean;
  /** Counts one that was silent, or begins anew with one that was not. */
  readonly count: (wire: ClientWire, isSilent: boolean) => void;
}

export function silentWires({ origin, pathname }: URL): SilentWires {
  const key = `comet-sockets ${origin}${pathname}`;
  /** By the names of wires, as far as they are known. */
  let times: Record<string, number> = {};
  // There is no storage in workers and outside of browsers, and a sandboxed page may not have it.
  try {
    times = JSON.parse(sessionStorage[key] as string) as Record<string, number>;
  } catch {
    // Then nothing is known.
  }
  return {
    has: ({ name }) => (times[name] as number) >= TWICE,
    count: ({ name }, isSilent) => {
      times[name] = isSilent ? (times[name] ?? 0) + 1 : 0;
      try {
        sessionStorage[key] = JSON.stringify(times);
      } catch {
        // Then it is known here alone.
      }
    },
  };
}
