import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { BatchSender } from "../../../hub/delivery/batch-sender.ts";
import { idleDescriptor } from "../detach/node-internals.ts";
import { MAX_SEND_BYTES, NOT_COMPLETED, RING_SIZE, type Ring } from "./ring.ts";

/** The most bytes that one call sends: the copying of more would block the event loop for longer than a slice. */
const MAX_BATCH_BYTES = 1_048_576;
/** The number of calls in a row that the kernel does not take whole, after which the ring stops. */
const MAX_FAILURES = 8;

/** Counts since the ring was started. */
export interface IoUringStats {
  /** The system calls. */
  readonly calls: number;
  /** The sends that they took whole. */
  readonly sends: number;
  /** The sends that were cut or refused, for whatever reason: `socket.write` was given the rest. */
  readonly rests: number;
  /** The sockets that were destroyed because the kernel did not complete a send. */
  readonly destroyed: number;
}

/**
 * Sends passes to plain TCP sockets by a ring.
 *
 * Every byte goes once, to the ring or to `socket.write`: `socket.write` gets exactly what the ring did not send. If it
 * is unknown how much was sent, the socket is destroyed, and its client resumes from its last position.
 */
export class SocketBatch implements BatchSender {
  readonly stats: { -readonly [Count in keyof IoUringStats]: number } = { calls: 0, sends: 0, rests: 0, destroyed: 0 };
  readonly #ring: Ring;
  readonly #minSinks: number;
  #sockets: Socket[] = [];
  #failures = 0;
  #stopped: string | undefined;

  /** @param minSinks Smaller groups are left alone. */
  constructor(ring: Ring, minSinks: number) {
    this.#ring = ring;
    this.#minSinks = minSinks;
  }

  /** The reason why it sends no more; `undefined` while it does. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** Stops for good. The next sends are writes to the sockets. */
  stop(reason: string): void {
    this.#stopped ??= reason;
  }

  capacity(connections: number, bytes: number): number {
    // A batch that an error has cut short may have closed sockets.
    this.#sockets = [];
    this.#ring.clear();
    if (this.#stopped !== undefined || connections < this.#minSinks || bytes > MAX_SEND_BYTES) return 0;
    return Math.min(RING_SIZE, Math.floor(MAX_BATCH_BYTES / bytes));
  }

  add(batchKey: object): boolean {
    // A hook may have stopped the ring in the middle of a pass.
    if (this.#stopped !== undefined) return false;
    const socket = batchKey as Socket;
    const descriptor = idleDescriptor(socket);
    if (descriptor < 0) return false;
    this.#ring.add(descriptor);
    this.#sockets.push(socket);
    return true;
  }

  send(bytes: Uint8Array): readonly boolean[] {
    const sockets = this.#sockets;
    if (sockets.length === 0) return [];
    this.#sockets = [];
    this.stats.calls += 1;
    const taken = this.#ring.send(bytes);
    this.#failures = taken < sockets.length ? this.#failures + 1 : 0;
    if (this.#failures === MAX_FAILURES) this.stop(`io_uring_enter failed ${MAX_FAILURES} times in a row.`);
    return sockets.map((socket, i) => this.#finish(socket, bytes, this.#ring.results[i] as number));
  }

  /** Completes the send to one socket. Returns whether the socket takes more now. */
  #finish(socket: Socket, bytes: Uint8Array, result: number): boolean {
    if (result === bytes.length) {
      this.stats.sends += 1;
      return true;
    }
    if (result === NOT_COMPLETED) {
      this.stats.destroyed += 1;
      this.stop("The kernel did not complete a send at once.");
      socket.destroy();
      return false;
    }
    this.stats.rests += 1;
    const sent = Math.max(0, result);
    // After an error, such as that of a client that has left, Node meets the same error and handles it.
    return socket.write(Buffer.from(bytes.buffer, bytes.byteOffset + sent, bytes.length - sent));
  }
}
