/**
 * The only file that reads and writes memory which the kernel shares: the two queues of an io_uring (io_uring(7)).
 *
 * Safety rests on four rules. Keep them, and say at each line that touches the memory why it is safe.
 *
 * - Every index into shared memory comes from the kernel's own offsets, or is masked to the size of its queue.
 * - The kernel works within `enter` alone: each send fails at once where it would wait (`MSG_DONTWAIT`). The self-test
 *   shows that it does. So the order of reads and writes here is the order of the program.
 * - The kernel reads the bytes from a buffer that lives as long as the ring. A message's own memory is never shared.
 * - After `close` no line reaches the memory: `close` replaces the views first.
 */

import { closeSync, openSync } from "node:fs";
import { callError, type Libc, type Mapping } from "./libc.ts";

/** The number of sends that one system call takes. */
export const RING_SIZE = 64;
/** The most bytes of one send, and of all different ones of a call. */
export const MAX_SEND_BYTES = 131_072;
/** The result of a send that the kernel did not take: `-EAGAIN`, since it can be sent otherwise. */
export const NOT_TAKEN = -11;
/** The result of a send that the kernel took and has not completed: it is unknown how much of it was sent. */
export const NOT_COMPLETED = -0x8000_0000;

/** The size of `struct io_uring_params`, and its 32-bit words that are used here. */
const PARAMS_BYTES = 120;
const SQ_ENTRIES = 0;
const CQ_ENTRIES = 1;
const SQ_HEAD = 10;
const SQ_TAIL = 11;
const SQ_MASK = 12;
const SQ_ARRAY = 16;
const CQ_HEAD = 20;
const CQ_TAIL = 21;
const CQ_MASK = 22;
const CQ_COMPLETIONS = 25;

/** The offsets at which the parts of a ring are mapped. */
const MAP_SQ = 0;
const MAP_CQ = 0x0800_0000;
const MAP_ENTRIES = 0x1000_0000;

/** `struct io_uring_sqe`: its size in 32-bit words, and the words that are used here. */
const ENTRY_WORDS = 16;
const ENTRY_OPCODE = 0;
const ENTRY_DESCRIPTOR = 1;
const ENTRY_ADDRESS_LOW = 4;
const ENTRY_ADDRESS_HIGH = 5;
const ENTRY_LENGTH = 6;
const ENTRY_FLAGS = 7;
const ENTRY_USER_DATA = 8;
const IORING_OP_SEND = 26;
/** `MSG_DONTWAIT | MSG_NOSIGNAL`. */
const SEND_FLAGS = 0x4040;

/** `struct io_uring_cqe`: its size in 32-bit words, and the words that are used here. */
const COMPLETION_WORDS = 4;
const COMPLETION_USER_DATA = 0;
const COMPLETION_RESULT = 2;

/** 2^32: an Int32Array keeps the low 32 bits of what is stored in it. */
const WORD = 0x1_0000_0000;

const NOTHING = new Int32Array(0);

/** An io_uring of this thread that sends to up to 64 sockets by one system call. */
export class Ring {
  /** The results of the last call, in the order of `add`: the number of bytes sent, or a negative error. */
  readonly results: Int32Array = new Int32Array(RING_SIZE);
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #mappings: readonly Mapping[];
  /** The bytes that the kernel sends. A view of 128 KiB is never in V8's own heap, so it does not move. */
  readonly #bytes = new Uint8Array(MAX_SEND_BYTES);
  readonly #address: number;
  /** The part of the bytes that this call uses, and the last message that was copied into it, with its place. */
  #used = 0;
  #copied: Uint8Array | undefined;
  #copiedAt = 0;
  /** The submission queue, its entries, and the completion queue. */
  #sq: Int32Array;
  #entries: Int32Array;
  #cq: Int32Array;
  /** The indexes of heads, tails and completions in the queues, and the masks of their positions. */
  readonly #sqHead: number;
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #completions: number;
  #count = 0;

  /** @throws {Error} if the kernel refuses a ring; the message has the error's name. */
  constructor(libc: Libc) {
    this.#libc = libc;
    const params = new Int32Array(PARAMS_BYTES / 4);
    const word = (index: number): number => params[index] as number;
    // The kernel writes 120 bytes into `params`, which has as many, before the call returns.
    const ring = libc.setup(RING_SIZE, new Uint8Array(params.buffer));
    if (ring < 0) throw callError("io_uring_setup", libc.errno());
    this.#descriptor = ownedDescriptor(libc, ring);
    const [sqEntries, cqEntries] = [word(SQ_ENTRIES), word(CQ_ENTRIES)];
    // These lengths are those of io_uring_setup(2): the last part of each queue begins at the kernel's offset.
    const lengths: readonly (readonly [offset: number, length: number])[] = [
      [MAP_SQ, word(SQ_ARRAY) + sqEntries * 4],
      [MAP_ENTRIES, sqEntries * ENTRY_WORDS * 4],
      [MAP_CQ, word(CQ_COMPLETIONS) + cqEntries * COMPLETION_WORDS * 4],
    ];
    const mappings: Mapping[] = [];
    this.#mappings = mappings;
    this.#sq = this.#entries = this.#cq = NOTHING;
    try {
      for (const [offset, length] of lengths) mappings.push(libc.map(ring, offset, length));
    } catch (error) {
      this.close();
      throw error;
    } finally {
      // The ring has another descriptor, which Node closes with the thread.
      libc.close(ring);
    }
    // The views are as long as the mappings, so an access past them is `undefined`, and no access past the memory.
    [this.#sq, this.#entries, this.#cq] = mappings.map(({ memory }) => new Int32Array(memory)) as [
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    // Offsets of the kernel are in bytes, and multiples of four.
    this.#sqHead = word(SQ_HEAD) >> 2;
    this.#sqTail = word(SQ_TAIL) >> 2;
    this.#cqHead = word(CQ_HEAD) >> 2;
    this.#cqTail = word(CQ_TAIL) >> 2;
    this.#completions = word(CQ_COMPLETIONS) >> 2;
    // The kernel has written both masks, and never changes them.
    this.#sqMask = this.#sq[word(SQ_MASK) >> 2] as number;
    this.#cqMask = this.#cq[word(CQ_MASK) >> 2] as number;
    this.#prepareEntries(sqEntries, word(SQ_ARRAY) >> 2);
    // A buffer which this object references until the ring is closed. An address of a process is below 2^53.
    this.#address = Number(libc.addressOf(this.#bytes));
  }

  /** The number of sends that were added. */
  get size(): number {
    return this.#count;
  }

  /** Whether the next call takes one more send, of these bytes or of some that are longer by `more`. */
  hasRoom(bytes: Uint8Array, more = 0): boolean {
    if (this.#count === RING_SIZE) return false;
    return bytes === this.#copied || this.#used + bytes.length + more <= MAX_SEND_BYTES;
  }

  /**
   * Adds a send to the next call, if it has room. The bytes are copied, unless they are those of the send before.
   *
   * @throws {RangeError} if there is no room for the bytes.
   */
  add(descriptor: number, bytes: Uint8Array): void {
    if (bytes !== this.#copied) {
      // The last call has completed or this ring is not used any more, so the kernel does not read the buffer.
      this.#bytes.set(bytes, this.#used);
      this.#copied = bytes;
      this.#copiedAt = this.#used;
      this.#used += bytes.length;
    }
    const slot = ((this.#sq[this.#sqTail] as number) + this.#count) & this.#sqMask;
    const entry = slot * ENTRY_WORDS;
    const address = this.#address + this.#copiedAt;
    // The kernel reads no entry before the tail passes it, and the slot is masked to the queue.
    this.#entries[entry + ENTRY_DESCRIPTOR] = descriptor;
    // The address and the length are those of a copy that `set` has put into the buffer whole.
    this.#entries[entry + ENTRY_ADDRESS_LOW] = address % WORD;
    this.#entries[entry + ENTRY_ADDRESS_HIGH] = Math.floor(address / WORD);
    this.#entries[entry + ENTRY_LENGTH] = bytes.length;
    this.#count += 1;
  }

  /** Forgets what was added. */
  clear(): void {
    this.#count = this.#used = 0;
    this.#copied = undefined;
  }

  /**
   * Sends to all that were added, and fills `results`.
   *
   * @returns The number of sends that the kernel took.
   */
  send(): number {
    const count = this.#count;
    this.clear();
    const tail = this.#sq[this.#sqTail] as number;
    this.results.fill(NOT_COMPLETED, 0, count);
    // The entries up to the new tail are complete. An Int32Array wraps the sum around, as the kernel does.
    this.#sq[this.#sqTail] = tail + count;
    try {
      this.#libc.enter(this.#descriptor, count);
    } catch {
      // The queue says below how many sends were taken.
    }
    // The kernel advances its head by what it took, before the call returns.
    const taken = ((this.#sq[this.#sqHead] as number) - tail) | 0;
    if (taken < count) {
      // The kernel has not read the entries after its head, so they can be taken back.
      this.#sq[this.#sqTail] = tail + taken;
      this.results.fill(NOT_TAKEN, taken, count);
    }
    this.#complete(tail, taken);
    return taken;
  }

  /** Unmaps the memory and closes the ring. Neither `add` nor `send` may follow. */
  close(): void {
    // The views go first, so that no line of this file can reach memory that is unmapped.
    this.#sq = this.#entries = this.#cq = NOTHING;
    for (const { unmap } of this.#mappings) unmap();
    closeSync(this.#descriptor);
  }

  /** Reads the results that the kernel has written, and takes them out of its queue. */
  #complete(tail: number, taken: number): void {
    // The kernel advances its tail after it has written a completion, within `enter`.
    const end = this.#cq[this.#cqTail] as number;
    let head = this.#cq[this.#cqHead] as number;
    for (; head !== end; head = (head + 1) | 0) {
      const at = this.#completions + (head & this.#cqMask) * COMPLETION_WORDS;
      // The position is masked to the queue, whose memory ends with its last completion.
      const slot = this.#cq[at + COMPLETION_USER_DATA] as number;
      const i = (slot - tail) & this.#sqMask;
      if (i < taken) this.results[i] = this.#cq[at + COMPLETION_RESULT] as number;
    }
    // All completions up to here have been read, so the kernel may write over them.
    this.#cq[this.#cqHead] = head;
  }

  /** Fills in what is the same for every send. The kernel never writes to entries. */
  #prepareEntries(count: number, array: number): void {
    for (let slot = 0; slot < count; slot += 1) {
      const entry = slot * ENTRY_WORDS;
      // `count` is the number of entries that were mapped, and of the array's indexes.
      this.#sq[array + slot] = slot;
      this.#entries[entry + ENTRY_OPCODE] = IORING_OP_SEND;
      this.#entries[entry + ENTRY_FLAGS] = SEND_FLAGS;
      this.#entries[entry + ENTRY_USER_DATA] = slot;
    }
  }
}

/** Returns a descriptor of the ring that Node closes with the thread, even if the thread is terminated. */
function ownedDescriptor(libc: Libc, ring: number): number {
  const descriptor = openSync("/dev/null", "r");
  if (libc.duplicate(ring, descriptor) >= 0) return descriptor;
  const error = callError("dup3", libc.errno());
  closeSync(descriptor);
  libc.close(ring);
  throw error;
}
