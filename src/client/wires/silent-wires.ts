import type { ClientWire } from "../client-wire.ts";

/** The numbers of failures of the wires at one address while another wire delivered. The tab's session storage keeps them. */
export interface SilentWires {
  /** The number of failures in a row: 0 if the wire delivered when it was tried last, `undefined` if it was not tried. */
  readonly failures: (wire: ClientWire) => number | undefined;
  readonly note: (wire: ClientWire, failures: number) => void;
}

/**
 * Reads the {@link SilentWires} of one address.
 *
 * The key in the storage is by origin and path, without the query: all topics behind one proxy share what was learned.
 */
export function silentWires({ origin, pathname }: URL): SilentWires {
  const key = `comet-sockets ${origin}${pathname}`;
  /** The number of failures, by the names of wires. */
  let times: Record<string, number | undefined> = {};
  // Workers, Node and sandboxed pages have no session storage: then the counts live as long as this object.
  try {
    times = JSON.parse(sessionStorage[key] as string) as typeof times;
  } catch {
    // The storage has no entry, or does not exist.
  }
  return {
    failures: ({ name }) => times[name],
    note: ({ name }, failures) => {
      times[name] = failures;
      try {
        sessionStorage[key] = JSON.stringify(times);
      } catch {
        // As above.
      }
    },
  };
}
