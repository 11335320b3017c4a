import {
  callError,
  CLOSE_ON_EXEC,
  LOCAL_DOMAIN,
  MAP_SHARED_POPULATE,
  PROT_READ_WRITE,
  STREAM_NONBLOCK,
  SYS_IO_URING_ENTER,
  SYS_IO_URING_SETUP,
  type Libc,
} from "./libc.ts";

/** The part of Node's module `node:ffi` that a ring needs. */
interface NodeFfi {
  dlopen(
    path: null,
    definitions: { readonly [name: string]: { readonly return: string; readonly arguments: readonly string[] } },
  ): { readonly functions: { readonly [name: string]: (...values: unknown[]) => unknown } };
  getInt32(pointer: bigint, offset: number): number;
  toArrayBuffer(pointer: bigint, length: number, copy: boolean): ArrayBuffer;
  getRawPointer(source: ArrayBufferView): bigint;
}

/** The address that `mmap` returns when it fails. */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/**
 * Binds the C library of this process by `node:ffi`, which Node prints an experimental warning for.
 *
 * @returns `undefined` where Node has no such module.
 * @throws {Error} if Node's permission model refuses it.
 */
export function nodeLibc(): Libc | undefined {
  const ffi = process.getBuiltinModule("node:ffi") as NodeFfi | undefined;
  if (ffi === undefined) return undefined;
  // Numbers of 32 bits, and six parameters at most: others miss Node's fast calls.
  const { syscall: enter } = bind(ffi, { syscall: ["i32", "i32", "i32", "u32", "u32", "u32"] });
  const {
    syscall: setup,
    mmap,
    munmap,
    dup3,
    socketpair,
    close,
    __errno_location: errnoLocation,
  } = bind(ffi, {
    syscall: ["i32", "i32", "u32", "pointer"],
    mmap: ["pointer", "pointer", "u64", "i32", "i32", "i32", "i64"],
    munmap: ["i32", "pointer", "u64"],
    dup3: ["i32", "i32", "i32", "i32"],
    socketpair: ["i32", "i32", "i32", "i32", "pointer"],
    close: ["i32", "i32"],
    __errno_location: ["pointer"],
  });
  const errno = (): number => ffi.getInt32(errnoLocation() as bigint, 0);
  return {
    name: "node:ffi",
    setup: (entries, params) => setup(SYS_IO_URING_SETUP, entries, params) as number,
    // The kernel reads the two parameters that are left out only with flags that are not set.
    enter: (ring, count) => enter(SYS_IO_URING_ENTER, ring, count, 0, 0) as number,
    map: (ring, offset, length) => {
      const size = BigInt(length);
      const pointer = mmap(null, size, PROT_READ_WRITE, MAP_SHARED_POPULATE, ring, BigInt(offset)) as bigint;
      if (pointer === MAP_FAILED) throw callError("mmap", errno());
      return { memory: ffi.toArrayBuffer(pointer, length, false), unmap: () => void munmap(pointer, size) };
    },
    addressOf: (bytes) => ffi.getRawPointer(bytes),
    duplicate: (source, target) => dup3(source, target, CLOSE_ON_EXEC) as number,
    socketPair: (pair) => socketpair(LOCAL_DOMAIN, STREAM_NONBLOCK, 0, pair) as number,
    close: (descriptor) => void close(descriptor),
    errno,
  };
}

/** Binds functions of the C library. Each is given by the types of its result and its parameters. */
function bind<Name extends string>(
  ffi: NodeFfi,
  types: Readonly<Record<Name, readonly [result: string, ...parameters: string[]]>>,
): Readonly<Record<Name, (...values: unknown[]) => unknown>> {
  const definitions = Object.entries<readonly string[]>(types).map(([name, [result = "void", ...parameters]]) => [
    name,
    { return: result, arguments: parameters },
  ]);
  return ffi.dlopen(null, Object.fromEntries(definitions) as Parameters<NodeFfi["dlopen"]>[1]).functions as Readonly<
    Record<Name, (...values: unknown[]) => unknown>
  >;
}
