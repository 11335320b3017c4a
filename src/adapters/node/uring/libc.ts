import { getSystemErrorName } from "node:util";

/**
 * The functions of the C library that a ring needs, as a foreign function interface binds them.
 *
 * A failed call returns a negative number, and `errno` is the number of its error.
 */
export interface Libc {
  readonly name: "koffi" | "node:ffi";
  /** Calls `io_uring_setup(2)`. Returns the descriptor of the ring. The kernel writes into `params`, of 120 bytes. */
  setup(entries: number, params: Uint8Array): number;
  /** Calls `io_uring_enter(2)` for `count` entries. It waits for nothing. */
  enter(ring: number, count: number): number;
  /** Calls `mmap(2)` for a part of a ring, shared with the kernel, readable and writable. @throws {Error} if it fails. */
  map(ring: number, offset: number, length: number): Mapping;
  /** Returns the address of the first byte. It is valid as long as the bytes are referenced, and are not detached. */
  addressOf(bytes: Uint8Array): bigint;
  /** Calls `dup3(2)`: `target` becomes another descriptor of what `source` is. It is closed in programs that are executed. */
  duplicate(source: number, target: number): number;
  /** Calls `socketpair(2)` for two connected stream sockets that never block. Writes their descriptors into `pair`. */
  socketPair(pair: Int32Array): number;
  /** Calls `close(2)`, for descriptors that Node has not opened: in a worker Node prints a warning for them. */
  close(descriptor: number): void;
  errno(): number;
}

/** Memory that is shared with the kernel. */
export interface Mapping {
  readonly memory: ArrayBuffer;
  /** Calls `munmap(2)`. Any later access to `memory` ends the process. */
  readonly unmap: () => void;
}

/** The number of `io_uring_setup(2)`, on every architecture. */
export const SYS_IO_URING_SETUP = 425;
/** The number of `io_uring_enter(2)`, on every architecture. */
export const SYS_IO_URING_ENTER = 426;
/** `PROT_READ | PROT_WRITE`. */
export const PROT_READ_WRITE = 3;
/** `MAP_SHARED | MAP_POPULATE`. */
export const MAP_SHARED_POPULATE = 0x8001;
/** `O_CLOEXEC`. */
export const CLOSE_ON_EXEC = 0x80000;
/** `AF_UNIX`. */
export const LOCAL_DOMAIN = 1;
/** `SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC`. */
export const STREAM_NONBLOCK = 0x80801;

/** Returns the error of a call that has failed: `mmap: ENOMEM`. */
export function callError(call: string, errno: number): Error {
  return new Error(`${call}: ${getSystemErrorName(-errno)}`);
}
