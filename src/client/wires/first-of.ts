import { noWire, type ClientWire, type Failure, type WireEvents, type WireRequest } from "../wire.ts";
import { silentWires, type SilentWires } from "./silent-wires.ts";

/** So many times in a row the best wire is the first to be tried. */
const PATIENCE = 3;

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
    patienceMs: 60_000 + wires.length * openTimeoutMs,
    open: (request: WireRequest, events: WireEvents) => {
      const past = (silent ??= silentWires(request.url));
      const able = wires.filter(
        (wire) => wire.isPossible?.() !== false && (!request.headers || wire.sendsHeaders === true),
      );
      let untried = able.filter((wire) => !past.has(wire));
      if (untried.length === 0) untried = able;
      // One that fails at once may be forbidden here, or the network is away: in the end each is the first to be tried.
      if (failures >= PATIENCE) untried.unshift(...untried.splice(failures % untried.length, 1));
      /** Those that are being tried, or used, and what lets go of them. */
      const tried = new Map<ClientWire, () => void>();
      const late = new Set<ClientWire>();
      let winner: ClientWire | undefined;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const close = (letGo: (() => void) | undefined, wire: ClientWire): void => {
        tried.delete(wire);
        letGo?.();
      };
      const stop = (): void => {
        clearTimeout(timer);
        tried.forEach(close);
      };
      const fail = (failure: Failure): void => {
        failures += 1;
        stop();
        events.broken(failure);
      };
      const win = (wire: ClientWire): void => {
        clearTimeout(timer);
        winner = wire;
        self.name = wire.name;
        failures = 0;
        for (const other of late.add(wire)) past.count(other, other !== wire);
        for (const [other, letGo] of tried) if (other !== wire) close(letGo, other);
      };
      const next = (): boolean => {
        const wire = untried.shift();
        if (!wire) return false;
        clearTimeout(timer);
        timer = setTimeout(
          () => {
            for (const slow of tried.keys()) late.add(slow);
            if (!next()) fail({ code: "ERR_SILENT", detail: "No wire in time." });
          },
          (!request.isFirst && wire.patienceMs) || openTimeoutMs,
        );
        const broken = (failure: Failure): void => {
          if (!tried.has(wire)) return;
          close(tried.get(wire), wire);
          if (wire === winner) events.broken(failure);
          // What the server itself says holds for all wires.
          else if ((failure.status ?? 0) >= 400) fail(failure);
          else if (!(late.size > 0 && next()) && tried.size === 0) fail(failure);
        };
        tried.set(
          wire,
          wire.open(request, {
            received: (items) => {
              for (const { error, open } of items) {
                if (winner || !tried.has(wire)) break;
                if (error) broken(error);
                else if (open) win(wire);
              }
              if (wire === winner) events.received(items);
            },
            broken,
            worn: () => {
              if (wire === winner) events.worn();
            },
          }),
        );
        return true;
      };
      if (!next()) events.broken(noWire);
      return stop;
    },
  };
  return self;
}
