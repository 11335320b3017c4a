/**
 * Restores a detached response, or its request, when the application uses it after all.
 *
 * Nearly always no code holds them, and both are collected. Code that does hold one, and listens to it, writes to it or
 * checks whether it is over, finds everything as it was: the first such use attaches it again. Until then the socket
 * must hold no reference to them, or they are never collected.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { hasEnded, responseOf, type MarkedSocket } from "./socket-symbols.ts";
import { reattach, type NodeConnection } from "./node-internals.ts";

const detachedFrom: unique symbol = Symbol("comet-sockets.detachedFrom");

interface Restorable {
  [detachedFrom]?: NodeConnection | undefined;
}

/** Sets traps that restore a detached response, and its request, when they are used. */
export function restoreOnAccess(response: ServerResponse & Restorable, connection: NodeConnection): void {
  response[detachedFrom] = connection;
  Object.defineProperties(response, responseTraps);
  response.on("newListener", restoreResponse);
  const { req: request } = response;
  Object.defineProperties(request, requestTraps);
  request.on("newListener", restoreRequest);
}

/** Returns properties that call `restore` when they are read or set, and then act normally. */
function traps(names: readonly string[], restore: (this: never) => void): PropertyDescriptorMap {
  const trap = (name: string): PropertyDescriptor => ({
    configurable: true,
    get(this: never) {
      restore.call(this);
      return Reflect.get(this, name) as unknown;
    },
    set(this: never, value: unknown) {
      restore.call(this);
      Reflect.set(this, name, value);
    },
  });
  return Object.fromEntries(names.map((name) => [name, trap(name)]));
}

const responseTraps = traps(["socket", "write", "end", "destroy", "destroyed", "finished"], restoreResponse);
const requestTraps = traps(["aborted", "destroyed"], restoreRequest);

function restoreResponse(this: ServerResponse & Restorable): void {
  const connection = this[detachedFrom];
  if (connection === undefined) return;
  this[detachedFrom] = undefined;
  this.off("newListener", restoreResponse);
  removeTraps(this, responseTraps);
  const socket: MarkedSocket = connection.socket;
  // These are Node's own properties, which the traps have replaced.
  Object.assign(this, { destroyed: false, finished: socket[hasEnded] === true });
  reattach(this, connection);
  if (!this.writableEnded) socket[responseOf] = this;
}

function restoreRequest(this: IncomingMessage): void {
  this.off("newListener", restoreRequest);
  removeTraps(this, requestTraps);
  Object.assign(this, { aborted: false });
  const socket: MarkedSocket = this.socket;
  const close = (): void => {
    if (socket[hasEnded] === true || socket[responseOf]?.writableEnded === true) this.resume();
    else this.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
  };
  if (socket.closed) close();
  else socket.once("close", close);
}

function removeTraps(message: object, all: PropertyDescriptorMap): void {
  for (const name of Object.keys(all)) Reflect.deleteProperty(message, name);
}
