import { hasSubscribers } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import type { Server } from "node:http";

/** A request listener of a server. Its parameters differ between HTTP/1.1 and HTTP/2. */
export type RequestListener = (...args: never[]) => unknown;

/**
 * Returns whether a server passes its requests to this listener alone, so that no other code can hold a request or its response.
 *
 * Instrumentation gets them too, by diagnostics channels or by a patched `emit`.
 */
export function isSoleListener(server: Server, listener: RequestListener): boolean {
  return (
    server.listenerCount("request") === 1 &&
    server.listeners("request")[0] === listener &&
    server.emit === EventEmitter.prototype.emit &&
    !hasSubscribers("http.server.request.start") &&
    !hasSubscribers("http.server.response.created")
  );
}
