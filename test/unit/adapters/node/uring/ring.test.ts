import { readSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  MAX_SEND_BYTES,
  NOT_COMPLETED,
  NOT_TAKEN,
  Ring,
  RING_SIZE,
} from "../../../../../src/adapters/node/uring/ring.ts";
import { selfTest } from "../../../../../src/adapters/node/uring/self-test.ts";
import { faultyLibc, libc, type Faults } from "../../../../support/faulty-libc.ts";
import { ringsOfProcess } from "../../../../support/rings-of-process.ts";
import { refusal } from "../../../../support/uring.ts";

/** A ring, and a pair of local sockets, until the test is over. */
function withPair(faults: Faults = {}): { readonly ring: Ring; readonly ours: number; readonly read: () => number[] } {
  const bound = faultyLibc(faults);
  const ring = new Ring(bound);
  const pair = new Int32Array(2);
  libc.socketPair(pair);
  const [ours, theirs] = pair as unknown as readonly [number, number];
  onTestFinished(() => {
    ring.close();
    libc.close(ours);
    libc.close(theirs);
  });
  const received = new Uint8Array(65_536);
  return { ring, ours, read: () => [...received.subarray(0, readSync(theirs, received))] };
}

/** Each test of a ring shows the refusal instead where the kernel refuses io_uring. */
function ringTest(title: string, run: () => void): void {
  test(title, () => {
    if (refusal === undefined) run();
    else expect(() => new Ring(libc)).toThrow(refusal);
  });
}

describe("a ring", () => {
  ringTest("passes its self-test", () => {
    const ring = new Ring(libc);
    expect(selfTest(ring, libc)).toBeUndefined();
    ring.close();
  });

  ringTest("sends to all that were added, in order, over and over", () => {
    const { ring, ours, read } = withPair();
    for (let call = 0; call < 300; call += 1) {
      const count = 1 + (call % RING_SIZE);
      const bytes = Uint8Array.of(call & 255, 7);
      for (let i = 0; i < count; i += 1) ring.add(ours, bytes);
      expect(ring.send()).toBe(count);
      expect([...ring.results.subarray(0, count)]).toEqual(Array.from({ length: count }, () => 2));
      expect(read()).toEqual(Array.from({ length: count }, () => [call & 255, 7]).flat());
    }
  });

  ringTest("gives each send its own result", () => {
    const { ring, ours } = withPair();
    // Nothing has this descriptor, and the last one is no socket.
    for (const descriptor of [ours, 1_000_000, ours, 2_000_000, ours]) ring.add(descriptor, Uint8Array.of(1));
    ring.send();
    expect([...ring.results.subarray(0, 5)]).toEqual([1, -9, 1, -9, 1]);
  });

  ringTest("copies the bytes, so that the memory of a message is never shared with the kernel", () => {
    const { ring, ours, read } = withPair();
    const bytes = Uint8Array.of(1, 2, 3);
    ring.add(ours, bytes);
    bytes[0] = 0;
    ring.add(ours, Uint8Array.of(9));
    ring.send();
    ring.add(ours, bytes);
    ring.send();
    expect(read()).toEqual([1, 2, 3, 9, 0, 2, 3]);
  });

  ringTest("sends different bytes to each, and copies a row of equal ones once", () => {
    const { ring, ours, read } = withPair();
    const large = new Uint8Array(MAX_SEND_BYTES - 2);
    const small = Uint8Array.of(5, 6);
    for (let i = 0; i < 3; i += 1) ring.add(ours, large);
    expect([ring.hasRoom(large), ring.hasRoom(small), ring.hasRoom(small, 1)]).toEqual([true, true, false]);
    ring.clear();
    for (let i = 0; i < RING_SIZE; i += 1) {
      expect(ring.hasRoom(small)).toBe(true);
      ring.add(ours, Uint8Array.of(i, i));
    }
    expect([ring.size, ring.hasRoom(small)]).toEqual([RING_SIZE, false]);
    expect(ring.send()).toBe(RING_SIZE);
    expect(read()).toEqual(Array.from({ length: RING_SIZE }, (_, i) => [i, i]).flat());
    expect(() => {
      ring.add(ours, new Uint8Array(MAX_SEND_BYTES + 1));
    }).toThrow(RangeError);
    expect(ring.size).toBe(0);
  });

  ringTest("reports the part that a full socket took, and waits for nothing", () => {
    const { ring, ours } = withPair();
    const bytes = new Uint8Array(MAX_SEND_BYTES);
    const results: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      ring.add(ours, bytes);
      ring.send();
      results.push(ring.results[0] as number);
    }
    expect(results[0]).toBeGreaterThan(0);
    expect(results.at(-1)).toBe(NOT_TAKEN);
  });

  ringTest("takes back the sends that the kernel did not take", () => {
    const taken: (number | "fail" | "throw")[] = [3, "fail", "throw", 0, 5, 1];
    const { ring, ours, read } = withPair({ take: () => taken.shift() ?? 5 });
    const counts = [3, 0, 0, 0, 5, 1, 5, 5];
    counts.forEach((count, call) => {
      for (let i = 0; i < 5; i += 1) ring.add(ours, Uint8Array.of(call));
      expect(ring.send()).toBe(count);
      const results = Array.from({ length: 5 }, (_, i) => (i < count ? 1 : NOT_TAKEN));
      expect([...ring.results.subarray(0, 5)]).toEqual(results);
    });
    expect(read()).toEqual(counts.flatMap((count, call) => Array.from({ length: count }, () => call)));
  });

  ringTest("reports a send without a completion", () => {
    const { ring, ours } = withPair({ lose: () => true });
    ring.add(ours, Uint8Array.of(1));
    ring.add(ours, Uint8Array.of(1));
    ring.send();
    expect([...ring.results.subarray(0, 2)]).toEqual([1, NOT_COMPLETED]);
  });

  ringTest("leaves no memory and no descriptor behind when it is closed", () => {
    const before = ringsOfProcess();
    const rings = Array.from({ length: 5 }, () => new Ring(libc));
    expect(ringsOfProcess()).toEqual({ mappings: before.mappings + 15, descriptors: before.descriptors + 5 });
    for (const ring of rings) ring.close();
    expect(ringsOfProcess()).toEqual(before);
  });

  ringTest("leaves nothing behind when a part of it cannot be mapped", () => {
    const before = ringsOfProcess();
    let mapped = 0;
    const map: typeof libc.map = (...args) => {
      mapped += 1;
      if (mapped === 3) throw new Error("mmap: ENOMEM");
      return libc.map(...args);
    };
    expect(() => new Ring({ ...libc, map })).toThrow("mmap: ENOMEM");
    expect(() => new Ring({ ...libc, duplicate: () => -1, errno: () => 24 })).toThrow("dup3: EMFILE");
    expect(ringsOfProcess()).toEqual(before);
  });
});

describe("the self-test", () => {
  const failures: readonly (readonly [title: string, faults: Faults, failure: string])[] = [
    ["cuts a send", { cut: (length) => Math.max(0, length - 1) }, "A send was not completed."],
    ["takes fewer sends", { take: (count) => count - 1 }, "The kernel took fewer sends than it was given."],
    ["takes none", { take: () => "fail" }, "The kernel took fewer sends than it was given."],
    ["loses a completion", { lose: () => true }, "A send was not completed."],
  ];
  for (const [title, faults, failure] of failures) {
    ringTest(`fails where the kernel ${title}`, () => {
      const bound = faultyLibc(faults);
      const ring = new Ring(bound);
      expect(selfTest(ring, bound)).toBe(failure);
      ring.close();
    });
  }

  ringTest("fails where a send waits for a full socket", () => {
    let calls = 0;
    const bound = faultyLibc({ lose: () => (calls += 1) > 6 });
    const ring = new Ring(bound);
    expect(selfTest(ring, bound)).toBe("A send to a full socket waits.");
    ring.close();
  });
});
