import { noWire, type ClientWire, type WireEvents, type WireFailure, type WireRequest } from "../client-wire.ts";
import { silentWires, type SilentWires } from "./silent-wires.ts";

/** A wire is silent after this number of failures: one may be a moment without a network, and not a proxy or a policy. */
const SILENT_AFTER = 2;
/** After this number of requests in a row that failed, the wire that delivered last may have become useless. */
const MAX_FAILURES = 3;
/** After this number of them, each waits for a second. */
const MAX_FAST = 9;

/**
 * Creates a wire that uses the first of several wires that opens.
 *
 * If one has not opened within `openTimeoutMs`, the next is tried beside it, as behind a proxy that holds streams back;
 * the first to open wins, and the others are closed. If one fails at once, the page may not use it, and the next is
 * tried in its place; if it has delivered before, there is probably no network, and the attempt ends. A wire that was
 * silent or failed twice while another delivered is skipped, until the tab closes; all streams are, as soon as one of
 * them is late, if there is a wire of complete responses. Its `name` is that of the wire in use. A refusal by the server
 * ends the attempt, since it holds for all wires.
 *
 * @param wires The wires to try, the best first.
 * @param openTimeoutMs In milliseconds, from 0.
 */
export function firstOf(wires: readonly ClientWire[], openTimeoutMs: number): ClientWire {
  /** The number of requests since a wire opened. */
  let requests = 0;
  let silent: SilentWires | undefined;
  const self = {
    name: "ndjson" as ClientWire["name"],
    // True if any of them can: `open` chooses among those.
    sendsHeaders: true,
    // Longer than all of its own timeouts together, so that the follower does not interfere.
    idleTimeoutMs: 60_000 + wires.length * openTimeoutMs,
    open: (request: WireRequest, events: WireEvents) => {
      const past = (silent ??= silentWires(request.url));
      const able = wires.filter(
        (wire) => wire.isPossible?.() !== false && (!request.headers || wire.sendsHeaders === true),
      );
      let untried = able.filter((wire) => (past.failures(wire) ?? 0) < SILENT_AFTER);
      if (untried.length === 0) untried = [...able];
      /** The wires that are opening or in use, and the functions that close their connections. */
      const tried = new Map<ClientWire, () => void>();
      /** The wires that were silent or failed at once. */
      const late = new Set<ClientWire>();
      let winner: ClientWire | undefined;
      let cause: WireFailure | undefined;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const close = (closeWire: (() => void) | undefined, wire: ClientWire): void => {
        tried.delete(wire);
        closeWire?.();
      };
      const stop = (): void => {
        clearTimeout(timer);
        tried.forEach(close);
      };
      const fail = (failure: WireFailure): void => {
        stop();
        events.broken(failure);
      };
      const win = (wire: ClientWire): void => {
        clearTimeout(timer);
        winner = wire;
        self.name = wire.name;
        requests = 0;
        for (const other of late.add(wire)) past.note(other, other === wire ? 0 : (past.failures(other) ?? 0) + 1);
        for (const [other, closeOther] of tried) if (other !== wire) close(closeOther, other);
      };
      const next = (): void => {
        const wire = untried.shift() as ClientWire;
        requests += 1;
        timer = setTimeout(
          () => {
            for (const slow of tried.keys()) late.add(slow);
            if (untried.length > 0) proceed();
            else fail({ code: "ERR_SILENT", detail: "No wire in time." });
          },
          (!request.isFirst && wire.idleTimeoutMs) || openTimeoutMs,
        );
        const broken = (failure: WireFailure): void => {
          if (!tried.has(wire)) return;
          close(tried.get(wire), wire);
          // What one wire takes for final need not hold for the others.
          if (failure.retryMs !== null) cause = failure;
          if (past.failures(wire) !== 0 || requests >= MAX_FAILURES) late.add(wire);
          // A refusal by the server itself holds for all wires, apart from that of a position which has room in a header.
          if (wire === winner || ((failure.status ?? 200) !== 200 && failure.code !== "ERR_POSITION")) fail(failure);
          else if (late.size > 0 && untried.length > 0) proceed();
          else if (tried.size === 0) fail(cause ?? failure);
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
            expiring: () => {
              if (wire === winner) events.expiring();
            },
            late: () => {
              // A proxy that holds back one stream holds back all of them, but no complete response.
              const isStream = ({ idleTimeoutMs }: ClientWire): boolean => !idleTimeoutMs;
              if (wire !== winner || able.every(isStream)) return;
              for (const other of able.filter(isStream)) past.note(other, SILENT_AFTER);
              events.expiring();
            },
          }),
        );
      };
      const proceed = (): void => {
        clearTimeout(timer);
        if (requests > MAX_FAST) timer = setTimeout(next, 1000);
        else next();
      };
      if (able.length > 0) proceed();
      else fail(noWire);
      return stop;
    },
  };
  return self;
}
