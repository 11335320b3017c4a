/**
 * Makes pipelined requests of HTTP/1.1 wait until the responses before them are over, so that a connection has one
 * stream or one poll at a time.
 *
 * Node calls the request listener for a pipelined request at once, and holds back only its response. Without this file
 * each of them would be admitted and hold a place in the hub, a thousand in one packet. A waiting request must cost
 * nothing but Node's own objects, and its listeners must go with it.
 */

import type { Socket } from "node:net";
import type { NodeResponse } from "./node-response.ts";
import { connectionOf, type MarkedSocket } from "./detach/socket-symbols.ts";

/** The number of requests that may wait on one connection. One more closes it. */
const MAX_WAITING = 16;

/** The requests that wait on each connection. A connection without any has no entry. */
const queues = new WeakMap<Socket, TurnQueue>();

/**
 * Waits until a response is the first on its connection, as it is at once except for a pipelined request.
 *
 * A request behind a stream is never answered: the connection closes when the stream is over, as HTTP/1.1 allows (RFC
 * 9112, 9.3.2). So does a connection on which more than 16 requests wait.
 *
 * @returns `undefined` if the response is the first; otherwise a promise of whether it may be answered. It is `false`
 *   once the connection has closed or is about to.
 */
export function waitForTurn(response: NodeResponse): Promise<boolean> | undefined {
  // A response has no socket while it waits for its turn, and after its end.
  if ("stream" in response || response.socket !== null || response.writableEnded) return undefined;
  const { socket } = response.req;
  if (socket.destroyed) return Promise.resolve(false);
  let queue = queues.get(socket);
  if (queue === undefined) queues.set(socket, (queue = new TurnQueue(socket)));
  return queue.wait(response);
}

/** Closes a connection after the stream that begins on it, if other requests wait behind the stream already. */
export function closeIfQueued(socket: Socket): void {
  queues.get(socket)?.closeAtNextTurn();
}

/** The pipelined requests of one connection that wait for their turn. */
class TurnQueue {
  readonly #socket: Socket & MarkedSocket;
  /** Ends the waiting of each request: its turn has come (`true`), or the connection has closed (`false`). */
  readonly #waiting = new Set<(isOpen: boolean) => void>();
  #closesAtNextTurn = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  closeAtNextTurn(): void {
    this.#closesAtNextTurn = true;
  }

  wait(response: Exclude<NodeResponse, { stream: unknown }>): Promise<boolean> {
    if (this.#socket[connectionOf] !== undefined) this.#closesAtNextTurn = true;
    if (this.#waiting.size === MAX_WAITING) {
      this.#socket.destroy();
      return Promise.resolve(false);
    }
    // One listener for all: a connection warns of more than ten.
    if (this.#waiting.size === 0) this.#socket.once("close", this.#onClose);
    return new Promise((resolve) => {
      const onTurn = (): void => settle(true);
      const settle = (isOpen: boolean): void => {
        response.off("socket", onTurn);
        this.#remove(settle);
        if (isOpen && this.#closesAtNextTurn) this.#socket.destroySoon();
        resolve(isOpen && !this.#closesAtNextTurn);
      };
      this.#waiting.add(settle);
      // Node emits it when the response before this one has been sent.
      response.once("socket", onTurn);
    });
  }

  #remove(settle: (isOpen: boolean) => void): void {
    this.#waiting.delete(settle);
    if (this.#waiting.size > 0) return;
    this.#socket.off("close", this.#onClose);
    queues.delete(this.#socket);
  }

  readonly #onClose = (): void => {
    for (const settle of this.#waiting) settle(false);
  };
}
