import type { ClientWire, Failure, Received, WireEvents, WireRequest } from "../../src/client/index.ts";

/** One connection of a {@link ScriptedWire}: the test says what comes on it. */
export interface ScriptedConnection extends WireEvents {
  readonly request: WireRequest;
  isLetGo: boolean;
  /** An `open` with which the topic `a` begins at an offset. */
  readonly opens: (offset?: number) => void;
  readonly message: (offset: number, data?: unknown) => void;
}

/** A wire on which nothing happens but what a test says. */
export interface ScriptedWire extends ClientWire {
  readonly connections: ScriptedConnection[];
  /** The newest of them. */
  readonly last: ScriptedConnection;
}

export function scriptedWire(name: ClientWire["name"], more: Partial<ClientWire> = {}): ScriptedWire {
  const connections: ScriptedConnection[] = [];
  return {
    name,
    sendsHeaders: false,
    isPossible: () => true,
    open: (request, events) => {
      const received = (item: Received): void => events.received([item]);
      const connection: ScriptedConnection = {
        ...events,
        request,
        isLetGo: false,
        opens: (offset = 0) =>
          received({ open: { states: { a: "fresh" }, position: `a=e.${offset}`, heartbeatMs: 0 } as const }),
        message: (offset, data = offset) => received({ id: `a=e.${offset}`, data: data as never }),
      };
      connections.push(connection);
      return () => void (connection.isLetGo = true);
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

/** What a wire has told. */
export interface Heard extends WireEvents {
  readonly items: Received[];
  readonly failures: Failure[];
  worns: number;
}

export function heard(): Heard {
  const told: Heard = {
    items: [],
    failures: [],
    worns: 0,
    received: (items) => void told.items.push(...items),
    broken: (failure) => void told.failures.push(failure),
    worn: () => void (told.worns += 1),
  };
  return told;
}
