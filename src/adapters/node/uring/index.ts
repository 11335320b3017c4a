/**
 * The entry `comet-sockets/uring`: one system call for many clients, on Linux.
 *
 * Every name here is public. Nothing loads a foreign function interface before `useIoUring` is called.
 */

export type { KoffiLike } from "./koffi-libc.ts";
export type { IoUringStats } from "./socket-batch.ts";
export { useIoUring, type IoUring, type IoUringOptions } from "./use-io-uring.ts";
