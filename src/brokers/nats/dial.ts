import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { connect, errors, type NatsConnection, type NodeConnectionOptions } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import { isCertificateError } from "../certificate-error.ts";

/** The observer of the sockets that are made during a dial. */
const dialling = new AsyncLocalStorage<(socket: Socket) => void>();
let isObserving = false;

/**
 * Connects once, and closes all sockets if that fails: the client itself leaves a socket open if a server accepts it and is then
 * silent, and they would pile up in a long outage. The connection does not reconnect: data that it has not sent is lost with it, instead
 * of being sent some time later.
 *
 * @param timeoutMs The time limit. With several servers, each has an equal share, so that a silent one does not hide the others.
 * @throws {CometError} `ERR_BROKER` if there is no connection in time, or `aborted` fires; `ERR_BROKER_CONFIG` if the server refuses
 *   the client; `ERR_OPTION` if the client rejects the options.
 */
export async function dial(
  options: NodeConnectionOptions,
  timeoutMs: number,
  aborted: AbortSignal,
): Promise<NatsConnection> {
  observeSockets();
  const sockets = new Set<Socket>();
  let isOver = false;
  const add = (socket: Socket): void => {
    sockets.add(socket);
    // The socket begins to connect only after this call.
    if (isOver) setImmediate(() => socket.destroy());
  };
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
    // The client may have connected in the meantime.
    connecting.then((connection) => connection.close()).catch(() => undefined);
    throw asCometError(error);
  } finally {
    attempt.abort();
  }
}

/** Converts the client's error of a failed connect. */
export function asCometError(error: unknown): CometError {
  const reason = error instanceof Error ? error.message : String(error);
  const { InvalidArgumentError, InvalidSubjectError } = errors;
  if ([InvalidArgumentError, InvalidSubjectError, TypeError].some((type) => error instanceof type)) {
    return new CometError("ERR_OPTION", `The NATS client rejects the option connection: ${reason}.`, { cause: error });
  }
  const { AuthorizationError, UserAuthenticationExpiredError } = errors;
  const isRefused = [AuthorizationError, UserAuthenticationExpiredError].some((type) => error instanceof type);
  if (isRefused || isCertificateError(error)) {
    return new CometError("ERR_BROKER_CONFIG", `The NATS server refuses the client: ${reason}.`, { cause: error });
  }
  return new CometError("ERR_BROKER", `The NATS server cannot be reached: ${reason}.`, { cause: error });
}

function observeSockets(): void {
  if (isObserving) return;
  isObserving = true;
  subscribe("net.client.socket", (message) => dialling.getStore()?.((message as { readonly socket: Socket }).socket));
}
