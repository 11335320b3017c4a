import { constants } from "node:os";
import { CometError, describe } from "../../core/errors.ts";
import { assertFunction, assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import { processWide } from "../../core/process-wide.ts";
import { VERSION } from "../../core/version.ts";
import type { Hub } from "../../hub/hub.ts";
import { closeConnections, type ConnectionsServer } from "./close-connections.ts";

/** The part of a server that {@link drainOnSignal} uses. The servers of `node:http`, `node:https` and `node:http2` fit. */
export interface ClosableServer extends ConnectionsServer {
  close(callback: (error?: Error) => void): unknown;
}

/** Options of {@link drainOnSignal}. */
export interface DrainOnSignalOptions {
  /** The time over which the hub ends its connections, in milliseconds, from 0 to 2,147,483,647. @default 5000 */
  readonly drainMs?: number;
  /**
   * The time for the server's other requests, once all streams have ended, in milliseconds, from 0 to 2,147,483,647. Then
   * their connections are closed.
   *
   * @default 5000
   */
  readonly closeTimeoutMs?: number;
  /** The signals that begin the shutdown. @default ["SIGTERM", "SIGINT"] */
  readonly signals?: readonly NodeJS.Signals[];
  /**
   * Called once the hub and the servers are closed, to close what else keeps the process alive, such as the pool of a
   * database, or to call `process.exit()`. The hub's `onError` gets its errors.
   *
   * @default none
   */
  readonly onDrained?: () => unknown;
}

const DEFAULT_MS = 5000;

/**
 * Shuts a hub and its server down gracefully on SIGTERM and SIGINT: first `hub.close`, then `server.close`.
 *
 * While the hub drains, the server still accepts requests, and the hub answers them with 503 and a time to retry. When
 * the last stream has ended, the server closes: it accepts nothing more, its idle connections close, and its other
 * requests get `closeTimeoutMs`. So the shutdown takes at most `drainMs`, 5 s for clients that are slow to take their
 * last bytes, and `closeTimeoutMs`: 15 s by default. Then the process ends by itself with code 0, if nothing else keeps
 * it alive.
 *
 * A second signal ends the process at once, with code 128 plus the signal's number: 143 for SIGTERM, 130 for SIGINT.
 *
 * Further calls with the same hub, as hot reload makes them, add no listener: they add their server, and their options
 * replace the earlier ones.
 *
 * @param server The server to close once the hub is closed. Without it, only the hub is closed.
 * @returns A function that undoes the call. When all calls for a hub are undone, its signals have their usual effect
 *   again. It does not stop a shutdown that has begun.
 * @throws {CometError} `ERR_OPTION` for bad options.
 * @example
 * ```ts
 * const server = createServer(nodeHandler(hub)).listen(4000);
 * drainOnSignal(hub, server, { drainMs: 3000, onDrained: () => pool.end() });
 * ```
 */
export function drainOnSignal(hub: Hub, server?: ClosableServer, options: DrainOnSignalOptions = {}): () => void {
  const settings = checkOptions(server, options);
  // Copies of the package in one process share the listeners, as they share hubs.
  const drains = processWide(`drains@${VERSION}`, () => new WeakMap<Hub, SignalDrain>());
  let drain = drains.get(hub);
  if (drain === undefined) drains.set(hub, (drain = new SignalDrain(hub)));
  return drain.add(server, settings);
}

interface Settings extends Required<Omit<DrainOnSignalOptions, "onDrained">> {
  readonly onDrained: (() => unknown) | undefined;
}

function checkOptions(server: ClosableServer | undefined, options: DrainOnSignalOptions): Settings {
  const { drainMs = DEFAULT_MS, closeTimeoutMs = DEFAULT_MS, signals = ["SIGTERM", "SIGINT"], onDrained } = options;
  assertInteger("drainMs", drainMs, 0, MAX_TIMER_MS);
  assertInteger("closeTimeoutMs", closeTimeoutMs, 0, MAX_TIMER_MS);
  if (onDrained !== undefined) assertFunction("onDrained", onDrained);
  if (server !== undefined && typeof (server as Partial<ClosableServer>).close !== "function") {
    throw new CometError("ERR_OPTION", `server must have a method close, as ${describe(server)} has not.`);
  }
  if (!Array.isArray(signals) || signals.length === 0) {
    throw new CometError("ERR_OPTION", `signals must be a list of one or more names, not ${describe(signals)}.`);
  }
  for (const signal of signals as readonly NodeJS.Signals[]) {
    if (!Object.hasOwn(constants.signals, signal)) {
      throw new CometError("ERR_OPTION", `signals must be names such as SIGTERM, not ${describe(signal)}.`);
    }
  }
  return { drainMs, closeTimeoutMs, signals, onDrained };
}

/** The shutdown of one hub by signals. It listens while there is at least one call that is not undone. */
class SignalDrain {
  readonly #hub: Hub;
  /** The calls that are not undone, in their order. The options of the last one count. */
  readonly #calls = new Map<symbol, { readonly server: ClosableServer | undefined; readonly settings: Settings }>();
  #signals: readonly NodeJS.Signals[] = [];
  #hasBegun = false;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  add(server: ClosableServer | undefined, settings: Settings): () => void {
    const call = Symbol();
    this.#calls.set(call, { server, settings });
    this.#listen();
    return () => {
      if (this.#calls.delete(call)) this.#listen();
    };
  }

  /** Listens to the signals of the last call alone, or to none. */
  #listen(): void {
    // After the first signal the listener must stay for the second one.
    if (this.#hasBegun) return;
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
    this.#signals = [...this.#calls.values()].at(-1)?.settings.signals ?? [];
    for (const signal of this.#signals) process.on(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (this.#hasBegun) process.exit(128 + constants.signals[signal]);
    this.#hasBegun = true;
    this.#drain().catch((error: unknown) => this.#hub._report(error));
  };

  async #drain(): Promise<void> {
    const settings = [...this.#calls.values()].at(-1)?.settings;
    if (settings === undefined) return;
    await this.#hub.close({ drainMs: settings.drainMs });
    const servers = new Set(Array.from(this.#calls.values(), ({ server }) => server));
    const { closeTimeoutMs } = settings;
    await Promise.all([...servers].flatMap((server) => (server ? [closeServer(server, closeTimeoutMs)] : [])));
    await settings.onDrained?.();
  }
}

/** Closes a server. Requests in progress get `timeoutMs`. It is no error if the server is closed already. */
function closeServer(server: ClosableServer, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = closeConnections(server, timeoutMs);
    const timer = setTimeout(resolve, timeoutMs);
    server.close(() => {
      stop();
      clearTimeout(timer);
      resolve();
    });
  });
}
