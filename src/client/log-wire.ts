import { assertFunction } from "../core/options.ts";
import type { ClientWire, ReceivedItem, WireFailure } from "./client-wire.ts";
import type { LogEntry, LogFunction, WireLogType } from "./log-entry.ts";

/**
 * Wraps a wire so that it logs what each of its connections does, and why the client leaves it: which wire is tried,
 * refused, late, or in use.
 *
 * @param log Called with a line of text and its entry.
 * @throws {CometError} `ERR_OPTION` if `log` is no function.
 * @example
 * const wires = [ndjson, sse, comet, poll].map((wire) => logWire(wire, console.debug));
 * new CometSource("/live?topic=news", { wires });
 */
export function logWire(wire: ClientWire, log: LogFunction): ClientWire {
  assertFunction("log", log);
  return Object.assign(Object.create(wire) as ClientWire, {
    open: (request, events) => {
      const { position } = request;
      /** Whether nothing more will happen on the connection. */
      let isOver = false;
      const write = (type: WireLogType, what: string, more: Pick<LogEntry, "item" | "failure"> = {}): void => {
        const text = `${wire.name}: ${what}`;
        log(text, { type, text, at: Date.now(), position, wire: wire.name, ...more });
      };
      const fail = (failure: WireFailure): void => {
        // A request that the client aborts fails too.
        if (isOver) return;
        isOver = true;
        write("failed", [failure.code, failure.status, failure.detail].filter(Boolean).join(" "), { failure });
      };
      const note = (item: ReceivedItem): void => {
        const { open, end, error } = item;
        if (open) write("opened", `open at ${open.position || "no position"}`, { item });
        else if (end) write("ending", `the server ends the stream: ${end.reason}`, { item });
        else if (error) fail(error);
        isOver ||= end !== undefined;
      };
      write("request", position ? `request at ${position}` : "request without a position");
      const close = wire.open(request, {
        ...events,
        received: (items) => {
          for (const item of items) note(item);
          events.received(items);
        },
        broken: (failure) => {
          fail(failure);
          events.broken(failure);
        },
        expiring: () => {
          write("expiring", "will be replaced, to free the page's memory");
          events.expiring();
        },
        late: () => {
          write("late", "the rest of an item is held back");
          events.late?.();
        },
      });
      return () => {
        if (!isOver) write("closed", "closed by the client");
        isOver = true;
        close();
      };
    },
  } satisfies Partial<ClientWire>);
}
