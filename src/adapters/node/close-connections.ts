/** The part of a Node server whose connections {@link closeConnections} closes. A server of HTTP/2 lacks the methods. */
export interface ConnectionsServer {
  closeIdleConnections?(): void;
  closeAllConnections?(): void;
  once?(event: "close", listener: () => void): unknown;
}

/** The time between two closings of idle connections, in milliseconds. */
const IDLE_MS = 100;

/**
 * Closes the connections of a server that is closing: idle ones soon, all others after `timeoutMs`.
 *
 * `server.close()` closes only connections that are idle at that moment. A connection whose request is answered a little
 * later stays open for `keepAliveTimeout`, which is 72 s in Fastify.
 *
 * @returns Stops it, as the event `close` of the server does.
 */
export function closeConnections(server: ConnectionsServer, timeoutMs: number): () => void {
  const idle = setInterval(() => server.closeIdleConnections?.(), IDLE_MS);
  const all = setTimeout(() => {
    stop();
    server.closeAllConnections?.();
  }, timeoutMs);
  const stop = (): void => {
    clearInterval(idle);
    clearTimeout(all);
  };
  // Connections keep the process alive, and not these timers.
  idle.unref();
  all.unref();
  server.once?.("close", stop);
  return stop;
}
