import type { ClientWire, ReceivedItem, WireEvents, WireFailure, WireRequest } from "../../src/client/index.ts";

/** One connection of a {@link ScriptedWire}. The test emits its events. */
export interface ScriptedConnection extends WireEvents {
  readonly request: WireRequest;
  isClosed: boolean;
  /** Emits an `open` item: the topic `a` begins at this offset. */
  readonly opens: (offset?: number) => void;
  readonly message: (offset: number, data?: unknown) => void;
}

/** A wire whose connections do only what a test makes them do. */
export interface ScriptedWire extends ClientWire {
  readonly connections: ScriptedConnection[];
  /** The newest connection. */
  readonly last: ScriptedConnection;
}

export function scriptedWire(name: ClientWire["name"], more: Partial<ClientWire> = {}): ScriptedWire {
  const connections: ScriptedConnection[] = [];
  return {
    name,
    sendsHeaders: false,
    isPossible: () => true,
    open: (request, events) => {
      const received = (item: ReceivedItem): void => events.received([item]);
      const connection: ScriptedConnection = {
        ...events,
        request,
        isClosed: false,
        opens: (offset = 0) =>
          received({ open: { states: { a: "fresh" }, position: `a=e.${offset}`, heartbeatMs: 0 } as const }),
        message: (offset, data = offset) => received({ id: `a=e.${offset}`, data: data as never }),
      };
      connections.push(connection);
      return () => void (connection.isClosed = true);
    },
    ...more,
    connections,
    get last() {
      const last = connections.at(-1);
      if (last === undefined) throw new Error(`${name} was not opened`);
      return last;
    },
  };
}

/** Records the events of a wire. */
export interface WireRecorder extends WireEvents {
  readonly items: ReceivedItem[];
  readonly failures: WireFailure[];
  /** The number of `expiring` events. */
  expirations: number;
}

export function wireRecorder(): WireRecorder {
  const recorder: WireRecorder = {
    items: [],
    failures: [],
    expirations: 0,
    received: (items) => void recorder.items.push(...items),
    broken: (failure) => void recorder.failures.push(failure),
    expiring: () => void (recorder.expirations += 1),
  };
  return recorder;
}
