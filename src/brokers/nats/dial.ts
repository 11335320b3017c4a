import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { connect, errors, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";

/** What is told of every socket that is made in the course of a dial. */
const dialling = new AsyncLocalStorage<(socket: Socket) => void>();
let isWatching = false;

/**
 * Connects once, and lets go of everything if that fails: the client itself leaves a socket open where a server has accepted it and says
 * nothing, which a long outage would pile up. The connection does not reconnect: what was given to it and not sent is lost with it,
 * instead of being sent some time later.
 *
 * @throws {CometError} `ERR_BROKER` if there is no connection within the time; `ERR_BROKER_CONFIG` if the server does not let us in;
 *   `ERR_OPTION` if the client does not take the options.
 */
export async function dial(
  options: NodeConnectionOptions,
  timeoutMs: number,
  aborted: AbortSignal,
): Promise<NatsConnection> {
  watchSockets();
  const sockets = new Set<Socket>();
  let isOver = false;
  const add = (socket: Socket): void => {
    sockets.add(socket);
    // It is connected only after this.
    if (isOver) setImmediate(() => socket.destroy());
  };
  // Each server has its share of the time, so that one that is silent does not hide the others.
  const timeout = Math.ceil(timeoutMs / (Array.isArray(options.servers) ? Math.max(options.servers.length, 1) : 1));
  const own = { reconnect: false, waitOnFirstConnect: false, noAsyncTraces: true, timeout };
  const connecting = dialling.run(add, () => connect({ name: "comet-sockets", ...options, ...own }));
  const attempt = new AbortController();
  const late = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    attempt.signal.addEventListener("abort", () => clearTimeout(timer));
    aborted.addEventListener("abort", () => reject(new Error("the broker is closed")), { signal: attempt.signal });
    if (aborted.aborted) reject(new Error("the broker is closed"));
  });
  try {
    return await Promise.race([connecting, late]);
  } catch (error) {
    isOver = true;
    for (const socket of sockets) socket.destroy();
    // It may have come to be just now.
    connecting.then((connection) => connection.close()).catch(() => undefined);
    throw asCometError(error);
  } finally {
    attempt.abort();
  }
}

/** What the client says of a connection that it cannot make. */
export function asCometError(error: unknown): CometError {
  const why = error instanceof Error ? error.message : String(error);
  const { InvalidArgumentError, InvalidSubjectError } = errors;
  if ([InvalidArgumentError, InvalidSubjectError, TypeError].some((type) => error instanceof type)) {
    return new CometError("ERR_OPTION", `The NATS client does not take the option connection: ${why}.`, {
      cause: error,
    });
  }
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return new CometError("ERR_BROKER_CONFIG", `The NATS server does not let this hub in: ${why}.`, { cause: error });
  }
  return new CometError("ERR_BROKER", `The NATS server cannot be reached: ${why}.`, { cause: error });
}

function watchSockets(): void {
  if (isWatching) return;
  isWatching = true;
  subscribe("net.client.socket", (message) => dialling.getStore()?.((message as { readonly socket: Socket }).socket));
}
