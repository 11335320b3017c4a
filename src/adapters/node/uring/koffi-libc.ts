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

/** The part of the package `koffi`, from 2.11 on, by which a ring calls the C library. */
export interface KoffiLike {
  load(path: null): {
    func(name: string, result: string, parameters: string[]): (...values: unknown[]) => unknown;
  };
  address(value: unknown): bigint;
  view(pointer: unknown, length: number): ArrayBuffer;
  errno(): number;
}

/** The address that `mmap` returns when it fails. */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Binds the C library of this process by koffi. @throws {Error} if koffi cannot. */
export function koffiLibc(koffi: KoffiLike): Libc {
  const library = koffi.load(null);
  const bind = (name: string, result: string, ...parameters: string[]): ((...values: unknown[]) => unknown) =>
    library.func(name, result, parameters);
  const setup = bind("syscall", "int", "int", "uint", "uintptr_t");
  // The kernel reads the two parameters that are left out only with flags that are not set.
  const enter = bind("syscall", "int", "int", "int", "uint", "uint", "uint");
  const map = bind("mmap", "void *", "uintptr_t", "size_t", "int", "int", "int", "long");
  const unmap = bind("munmap", "int", "void *", "size_t");
  const duplicate = bind("dup3", "int", "int", "int", "int");
  const socketPair = bind("socketpair", "int", "int", "int", "int", "uintptr_t");
  const close = bind("close", "int", "int");
  return {
    name: "koffi",
    setup: (entries, params) => setup(SYS_IO_URING_SETUP, entries, koffi.address(params)) as number,
    enter: (ring, count) => enter(SYS_IO_URING_ENTER, ring, count, 0, 0) as number,
    map: (ring, offset, length) => {
      const pointer = map(0, length, PROT_READ_WRITE, MAP_SHARED_POPULATE, ring, offset);
      if (pointer === null || koffi.address(pointer) === MAP_FAILED) throw callError("mmap", koffi.errno());
      return { memory: koffi.view(pointer, length), unmap: () => void unmap(pointer, length) };
    },
    addressOf: (bytes) => koffi.address(bytes),
    duplicate: (source, target) => duplicate(source, target, CLOSE_ON_EXEC) as number,
    socketPair: (pair) => socketPair(LOCAL_DOMAIN, STREAM_NONBLOCK, 0, koffi.address(pair)) as number,
    close: (descriptor) => void close(descriptor),
    errno: () => koffi.errno(),
  };
}
