import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { BatchSender } from "../../../hub/delivery/batch-sender.ts";
import { idleDescriptor } from "../detach/node-internals.ts";
import { MAX_SEND_BYTES, NOT_COMPLETED, type Ring } from "./ring.ts";

/** The most bytes that one call sends: the copying of more would block the event loop for longer than a slice. */
const MAX_BATCH_BYTES = 1_048_576;
/** The most bytes by which the bytes of a pass grow when a compressed stream stores them. */
const MOST_GROWTH = 128;
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

interface Send {
  readonly socket: Socket;
  readonly bytes: Uint8Array;
}

/**
 * Sends passes to plain TCP sockets by a ring.
 *
 * Every byte goes once, to the ring or to `socket.write`: `socket.write` gets exactly what the ring did not send. If it
 * is unknown how much was sent, the socket is destroyed, and its client resumes from its last position.
 */
export class SocketBatch implements BatchSender {
  readonly stats: { -readonly [Count in keyof IoUringStats]: number } = { calls: 0, sends: 0, rests: 0, destroyed: 0 };
  readonly minSinks: number;
  readonly #ring: Ring;
  #sends: Send[] = [];
  #bytes = 0;
  /** The socket that was accepted last, and its descriptor. */
  #socket: Socket | undefined;
  #descriptor = -1;
  #failures = 0;
  #stopped: string | undefined;

  /** @param minSinks Smaller batches are left to the sockets. */
  constructor(ring: Ring, minSinks: number) {
    this.#ring = ring;
    this.minSinks = minSinks;
  }

  /** The reason why it sends no more; `undefined` while it does. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** Stops for good. The next sends are writes to the sockets. */
  stop(reason: string): void {
    this.#stopped ??= reason;
  }

  hasRoom(bytes: Uint8Array): boolean {
    return this.#bytes + bytes.length + MOST_GROWTH <= MAX_BATCH_BYTES && this.#ring.hasRoom(bytes, MOST_GROWTH);
  }

  accepts(batchKey: object, length: number): boolean {
    // A hook may have stopped the ring in the middle of a pass.
    if (this.#stopped !== undefined || length + MOST_GROWTH > MAX_SEND_BYTES) return false;
    this.#socket = batchKey as Socket;
    this.#descriptor = idleDescriptor(this.#socket);
    return this.#descriptor >= 0;
  }

  add(bytes: Uint8Array): void {
    this.#ring.add(this.#descriptor, bytes);
    this.#sends.push({ socket: this.#socket as Socket, bytes });
    this.#bytes += bytes.length;
  }

  send(): readonly boolean[] {
    const sends = this.#sends;
    this.#sends = [];
    this.#bytes = 0;
    if (sends.length < this.minSinks) {
      this.#ring.clear();
      return sends.map(({ socket, bytes }) => writeFrom(socket, bytes, 0));
    }
    this.stats.calls += 1;
    const taken = this.#ring.send();
    this.#failures = taken < sends.length ? this.#failures + 1 : 0;
    if (this.#failures === MAX_FAILURES) this.stop(`io_uring_enter failed ${MAX_FAILURES} times in a row.`);
    return sends.map((send, i) => this.#finish(send, this.#ring.results[i] as number));
  }

  /** Completes the send to one socket. Returns whether the socket takes more now. */
  #finish({ socket, bytes }: Send, result: number): boolean {
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
    // After an error, such as that of a client that has left, Node meets the same error and handles it.
    return writeFrom(socket, bytes, Math.max(0, result));
  }
}

function writeFrom(socket: Socket, bytes: Uint8Array, start: number): boolean {
  return socket.write(Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.length - start));
}
