import * as koffi from "koffi";
import { koffiLibc } from "../../src/adapters/node/uring/koffi-libc.ts";
import type { Libc } from "../../src/adapters/node/uring/libc.ts";

/** The C library, by the package koffi. */
export const libc: Libc = koffiLibc(koffi);

/** What is done to the calls of a ring. */
export interface Faults {
  /** Cuts a send to a number of bytes from 0 to `length`. */
  cut?: ((length: number) => number) | undefined;
  /** The number of sends that the kernel takes, of `count`; "fail" and "throw": it takes none. */
  take?: ((count: number) => number | "fail" | "throw") | undefined;
  /** Whether the last completion of a call is lost. */
  lose?: (() => boolean) | undefined;
}

const TAIL_OF_SUBMISSIONS = 11;
const TAIL_OF_COMPLETIONS = 21;
const [SUBMISSIONS, COMPLETIONS, ENTRIES] = [0, 0x800_0000, 0x1000_0000];

/** A C library whose rings have faults. They are those of real calls: a cut send sends what it says, and no more. */
export function faultyLibc(faults: Faults): Libc {
  const params = new Int32Array(30);
  const memory = new Map<number, Int32Array>();
  const of = (offset: number): Int32Array => memory.get(offset) as Int32Array;
  return {
    ...libc,
    setup: (entries, bytes) => {
      const ring = libc.setup(entries, bytes);
      new Uint8Array(params.buffer).set(bytes);
      return ring;
    },
    map: (ring, offset, length) => {
      const mapping = libc.map(ring, offset, length);
      memory.set(offset, new Int32Array(mapping.memory));
      return {
        ...mapping,
        unmap: () => {
          memory.delete(offset);
          mapping.unmap();
        },
      };
    },
    enter: (ring, count) => {
      const tail = of(SUBMISSIONS)[(params[TAIL_OF_SUBMISSIONS] as number) >> 2] as number;
      const entries = of(ENTRIES);
      for (let i = 1; i <= count; i += 1) {
        const length = ((tail - i) & 63) * 16 + 6;
        entries[length] = faults.cut?.(entries[length] as number) ?? (entries[length] as number);
      }
      const taken = faults.take?.(count) ?? count;
      if (taken === "throw") throw new Error("No call today.");
      if (taken === "fail" || taken === 0) return -1;
      const entered = libc.enter(ring, taken);
      if (faults.lose?.() === true) {
        const completions = of(COMPLETIONS);
        const at = (params[TAIL_OF_COMPLETIONS] as number) >> 2;
        completions[at] = (completions[at] as number) - 1;
      }
      return entered;
    },
  };
}
