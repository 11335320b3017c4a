import type { ClientWire } from "../client-wire.ts";

/**
 * A wire is silent after two failures: one may be a moment without a network, and not a proxy or a policy.
 */
const MAX_FAILURES = 2;

/** The wires that failed at one address while another wire delivered. The tab's session storage keeps them. */
export interface SilentWires {
  readonly has: (wire: ClientWire) => boolean;
  /** Whether the wire delivered when it was tried last. */
  readonly delivered: (wire: ClientWire) => boolean;
  /** Counts a failure, or resets the count of a wire that delivered. */
  readonly count: (wire: ClientWire, isSilent: boolean) => void;
  /** Counts a wire as silent at once. */
  readonly skip: (wire: ClientWire) => void;
}

/**
 * Reads the {@link SilentWires} of one address.
 *
 * The key in the storage is by origin and path, without the query: all topics behind one proxy share what was learned.
 */
export function silentWires({ origin, pathname }: URL): SilentWires {
  const key = `comet-sockets ${origin}${pathname}`;
  /** The number of failures, by the names of wires. */
  let times: Record<string, number> = {};
  // Workers, Node and sandboxed pages have no session storage: then the counts live as long as this object.
  try {
    times = JSON.parse(sessionStorage[key] as string) as Record<string, number>;
  } catch {
    // The storage has no entry, or does not exist.
  }
  const set = ({ name }: ClientWire, failures: number): void => {
    times[name] = failures;
    try {
      sessionStorage[key] = JSON.stringify(times);
    } catch {
      // As above.
    }
  };
  return {
    has: ({ name }) => (times[name] as number) >= MAX_FAILURES,
    delivered: ({ name }) => times[name] === 0,
    count: (wire, isSilent) => set(wire, isSilent ? (times[wire.name] ?? 0) + 1 : 0),
    skip: (wire) => set(wire, MAX_FAILURES),
  };
}
