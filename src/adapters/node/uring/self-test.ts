import { Buffer } from "node:buffer";
import { readSync } from "node:fs";
import { callError, type Libc } from "./libc.ts";
import { MAX_SEND_BYTES, NOT_COMPLETED, RING_SIZE, type Ring } from "./ring.ts";

const EAGAIN = -11;
const EPIPE = -32;

/**
 * Sends on a pair of local sockets, and checks what a ring relies on.
 *
 * @returns The expectation that the ring does not meet; `undefined` if it meets all.
 */
export function selfTest(ring: Ring, libc: Libc): string | undefined {
  const pair = new Int32Array(2);
  if (libc.socketPair(pair) < 0) return callError("socketpair", libc.errno()).message;
  const [ours, theirs] = pair as unknown as readonly [number, number];
  let isReading = true;
  const closeReader = (): void => {
    if (isReading) libc.close(theirs);
    isReading = false;
  };
  try {
    return (
      arriveInOrder(ring, ours, theirs) ??
      arriveAsTheyAre(ring, ours, theirs) ??
      areCutWhereFull(ring, ours) ??
      (closeReader(), failWhereClosed(ring, ours))
    );
  } finally {
    closeReader();
    libc.close(ours);
  }
}

/** A full call of sends arrives whole and in order, several times, so that the queues wrap around. */
function arriveInOrder(ring: Ring, ours: number, theirs: number): string | undefined {
  const received = new Uint8Array(RING_SIZE * 16);
  for (let call = 0; call < 5; call += 1) {
    const bytes = Uint8Array.from({ length: call + 1 }, (_, i) => 1 + call + i);
    const count = RING_SIZE - call;
    for (let i = 0; i < count; i += 1) ring.add(ours, bytes);
    if (ring.send() !== count) return "The kernel took fewer sends than it was given.";
    if (ring.results.subarray(0, count).some((sent) => sent !== bytes.length)) return "A send was not completed.";
    const length = readSync(theirs, received);
    const isSame = received.subarray(0, length).every((byte, i) => byte === bytes[i % bytes.length]);
    if (length !== count * bytes.length || !isSame) return "Bytes were lost or changed.";
  }
  return undefined;
}

/** Different messages of one call arrive each as it is. */
function arriveAsTheyAre(ring: Ring, ours: number, theirs: number): string | undefined {
  const messages = Array.from({ length: RING_SIZE }, (_, i) => new Uint8Array(1 + i).fill(i));
  for (const message of messages) ring.add(ours, message);
  ring.send();
  const all = Buffer.concat(messages);
  const received = new Uint8Array(all.length + 1);
  const length = readSync(theirs, received);
  return length === all.length && all.equals(received.subarray(0, length)) ? undefined : "Messages were mixed up.";
}

/** Where a socket is full, a send is cut or refused, and never waits. */
function areCutWhereFull(ring: Ring, ours: number): string | undefined {
  const bytes = new Uint8Array(MAX_SEND_BYTES);
  // The kernel's buffer holds less than a full call.
  for (let i = 0; i < RING_SIZE; i += 1) ring.add(ours, bytes);
  ring.send();
  if (ring.results.includes(NOT_COMPLETED)) return "A send to a full socket waits.";
  return ring.results.at(-1) === EAGAIN ? undefined : "A send to a full socket is not refused.";
}

/** A send to a closed socket fails, without a signal. */
function failWhereClosed(ring: Ring, ours: number): string | undefined {
  ring.add(ours, new Uint8Array(1));
  ring.send();
  return ring.results[0] === EPIPE ? undefined : "A send to a closed socket does not fail.";
}
