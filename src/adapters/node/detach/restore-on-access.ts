import type { IncomingMessage, ServerResponse } from "node:http";
import { hasEnded, responseOf, type MarkedSocket } from "./socket-symbols.ts";
import { attach, type Held } from "./node-internals.ts";

/**
 * What an application may still do with a response, and its request, whose connection has been let go of: nearly always nothing, and
 * both are collected. Whoever does hold one, and listens to it, writes to it or looks whether it is over, finds all as it
 * was: at the first such use it is put back. The socket knows nothing of them until then.
 */

const heldBefore: unique symbol = Symbol("comet-sockets.heldBefore");

interface Late {
  [heldBefore]?: Held | undefined;
}

/** Has a response that has been let go of, and its request, put back when they are used. */
export function watchLateUse(response: ServerResponse & Late, held: Held): void {
  response[heldBefore] = held;
  Object.defineProperties(response, responseTraps);
  response.on("newListener", putResponseBack);
  const { req: request } = response;
  Object.defineProperties(request, requestTraps);
  request.on("newListener", putRequestBack);
}

/** Properties that act when they are read or set: `putBack`, and then as ever. */
function traps(names: readonly string[], putBack: (this: never) => void): PropertyDescriptorMap {
  const trap = (name: string): PropertyDescriptor => ({
    configurable: true,
    get(this: never) {
      putBack.call(this);
      return Reflect.get(this, name) as unknown;
    },
    set(this: never, value: unknown) {
      putBack.call(this);
      Reflect.set(this, name, value);
    },
  });
  return Object.fromEntries(names.map((name) => [name, trap(name)]));
}

const responseTraps = traps(["socket", "write", "end", "destroy", "destroyed", "finished"], putResponseBack);
const requestTraps = traps(["aborted", "destroyed"], putRequestBack);

function putResponseBack(this: ServerResponse & Late): void {
  const held = this[heldBefore];
  if (held === undefined) return;
  this[heldBefore] = undefined;
  this.off("newListener", putResponseBack);
  release(this, responseTraps);
  const socket: MarkedSocket = held.socket;
  // These are Node's own properties, which the traps have replaced.
  Object.assign(this, { destroyed: false, finished: socket[hasEnded] === true });
  attach(this, held);
  if (!this.writableEnded) socket[responseOf] = this;
}

function putRequestBack(this: IncomingMessage): void {
  this.off("newListener", putRequestBack);
  release(this, requestTraps);
  Object.assign(this, { aborted: false });
  const socket: MarkedSocket = this.socket;
  const close = (): void => {
    if (socket[hasEnded] === true || socket[responseOf]?.writableEnded === true) this.resume();
    else this.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
  };
  if (socket.closed) close();
  else socket.once("close", close);
}

function release(message: object, all: PropertyDescriptorMap): void {
  for (const name of Object.keys(all)) Reflect.deleteProperty(message, name);
}
