import { expect, onTestFinished } from "vitest";
import type { Libc } from "../../src/adapters/node/uring/libc.ts";
import { Ring } from "../../src/adapters/node/uring/ring.ts";
import type { IoUringStats } from "../../src/adapters/node/uring/socket-batch.ts";
import { startIoUring, type IoUring } from "../../src/adapters/node/uring/use-io-uring.ts";
import { libc } from "./faulty-libc.ts";

/** Why the kernel of this machine refuses io_uring; `undefined` if it does not. */
export const refusal: string | undefined = ((): string | undefined => {
  try {
    new Ring(libc).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
})();

/** A ring that sends to groups of one member and more, until the test is over. */
export function startForced(bind: () => Libc = () => libc): IoUring {
  const ring = startIoUring(bind, 1);
  onTestFinished(() => ring.close());
  return ring;
}

/** Expects counts of a ring, where the kernel allows one. Elsewhere the same test shows the fallback. */
export function expectCounts(ring: IoUring, counts: Partial<IoUringStats>): void {
  if (refusal === undefined) expect(ring.stats()).toMatchObject(counts);
  else expect(ring.stats()).toEqual({ calls: 0, sends: 0, rests: 0, destroyed: 0 });
}
