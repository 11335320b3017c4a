import { noWire, type ClientWire, type Failure, type WireEvents, type WireRequest } from "../wire.ts";
import { silentWires, type SilentWires } from "./silent-wires.ts";

/**
 * The first wire that delivers. Another is tried beside one that has not opened within `openTimeoutMs`, as behind a proxy that holds
 * streams back. A wire that was silent twice where another delivered is not tried again, for as long as the tab lives.
 */
export function firstOf(wires: readonly ClientWire[], openTimeoutMs: number): ClientWire {
  /** How many times in a row no wire has opened. */
  let failures = 0;
  let silent: SilentWires | undefined;
  const self = {
    name: "ndjson" as ClientWire["name"],
    // If any of them can.
    sendsHeaders: true,
    patienceMs: 60_000,
    open: (request: WireRequest, events: WireEvents) => {
      const past = (silent ??= silentWires(request.url));
      const untried = wires.filter(
        (wire) => wire.isPossible?.() !== false && !past.has(wire) && (!request.headers || wire.sendsHeaders),
      );
      /** Those that are being tried, or used, and what lets go of them. */
      const tried = new Map<ClientWire, () => void>();
      const late = new Set<ClientWire>();
      let winner: ClientWire | undefined;
      const close = (wire: ClientWire): void => {
        const letGo = tried.get(wire);
        tried.delete(wire);
        letGo?.();
      };
      const closeAll = (): void => tried.forEach((_, wire) => close(wire));
      const win = (wire: ClientWire): void => {
        winner = wire;
        self.name = wire.name;
        failures = 0;
        for (const other of late.add(wire)) past.count(other, other !== wire);
        for (const other of tried.keys()) if (other !== wire) close(other);
      };
      const lose = (wire: ClientWire, failure: Failure): void => {
        close(wire);
        if (wire !== winner) {
          // What the server itself says holds for all wires; and a network that was away a moment ago will be back.
          if ((failure.status ?? 0) < 400 && ((failures > 0 && next()) || tried.size > 0)) return;
          failures += 1;
          closeAll();
        }
        events.broken(failure);
      };
      const next = (): boolean => {
        const wire = untried.shift();
        if (!wire) return false;
        // The more often it failed, the slower the network may be.
        const timer = setTimeout(
          () => {
            late.add(wire);
            if (winner || next() || [...tried.keys()].some((other) => !late.has(other))) return;
            closeAll();
            lose(wire, { code: "ERR_SILENT", detail: "No wire in time." });
          },
          wire.patienceMs ?? openTimeoutMs << Math.min(failures, 3),
        );
        // eslint-disable-next-line prefer-const -- it may be asked for before it is there.
        let letGo: (() => void) | undefined;
        tried.set(wire, () => {
          clearTimeout(timer);
          letGo?.();
        });
        letGo = wire.open(request, {
          received: (items) => {
            for (const { error, open } of items) {
              if (winner || !tried.has(wire)) break;
              if (error) lose(wire, error);
              else if (open) win(wire);
            }
            if (wire === winner) events.received(items);
          },
          broken: (failure) => {
            if (tried.has(wire)) lose(wire, failure);
          },
          worn: () => {
            if (wire === winner) events.worn();
          },
        });
        return true;
      };
      if (!next()) events.broken(noWire);
      return closeAll;
    },
  };
  return self;
}
