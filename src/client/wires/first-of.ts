import type { ClientWire, Failure, WireEvents, WireRequest } from "../wire.ts";
import { SilentWires } from "./silent-wires.ts";

/** One of the wires that are being tried. */
interface Trial {
  readonly wire: ClientWire;
  isLate: boolean;
  /** Nothing more is heard of it. */
  isOver: boolean;
  timer?: ReturnType<typeof setTimeout>;
  letGo?: () => void;
}

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
    sendsHeaders: wires.some((wire) => wire.sendsHeaders),
    patienceMs: 60_000,
    isPossible: () => wires.some((wire) => wire.isPossible()),
    open: (request: WireRequest, events: WireEvents) => {
      const past = (silent ??= new SilentWires(request.url));
      const untried = wires.filter(
        (wire) => wire.isPossible() && !past.has(wire) && (!request.headers || wire.sendsHeaders),
      );
      const trials: Trial[] = [];
      let winner: Trial | undefined;
      const close = (trial: Trial): void => {
        trial.isOver = true;
        clearTimeout(trial.timer);
        trial.letGo?.();
      };
      const win = (trial: Trial): void => {
        winner = trial;
        failures = 0;
        clearTimeout(trial.timer);
        for (const other of trials) {
          if (other === trial || other.isLate) past.count(other.wire, other !== trial);
          if (other !== trial) close(other);
        }
        self.name = trial.wire.name;
      };
      const lose = (trial: Trial, failure: Failure): void => {
        close(trial);
        if (trial !== winner) {
          // What the server itself says holds for all wires; and a network that was away a moment ago will be back.
          const isServers = (failure.status ?? 0) >= 400;
          if (!isServers && ((failures > 0 && next()) || trials.some(({ isOver }) => !isOver))) return;
          failures += 1;
          trials.forEach(close);
        }
        events.broken(failure);
      };
      const next = (): boolean => {
        const wire = untried.shift();
        if (!wire) return false;
        const trial: Trial = { wire, isLate: false, isOver: false };
        trials.push(trial);
        const late = (): void => {
          trial.isLate = true;
          if (next() || trials.some(({ isLate, isOver }) => !isLate && !isOver)) return;
          trials.forEach(close);
          lose(trial, { code: "ERR_SILENT", detail: "No wire has opened in time." });
        };
        // The more often it failed, the slower the network may be.
        trial.timer = setTimeout(late, wire.patienceMs ?? openTimeoutMs << Math.min(failures, 3));
        trial.letGo = wire.open(request, {
          received: (items) => {
            if (trial.isOver) return;
            const error = items.find((item) => item.error)?.error;
            if (!winner && error) lose(trial, error);
            else if (!winner && items.some(({ open }) => open)) win(trial);
            if (trial === winner) events.received(items);
          },
          broken: (failure) => {
            if (!trial.isOver) lose(trial, failure);
          },
          worn: () => {
            if (trial === winner) events.worn();
          },
        });
        return true;
      };
      if (!next()) setTimeout(() => events.broken({ code: "ERR_WIRE", detail: "No wire.", retryMs: null }));
      return () => trials.forEach(close);
    },
  };
  return self;
}
