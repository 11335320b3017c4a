/**
 * The setup of the project `compressed`: each hub compresses for every client that accepts gzip, also streams of several
 * topics, unless the test gives the option `compression`. Each file adds its counts to `test-results/compression.ndjson`;
 * `compression-setup.ts` reads them.
 */
import { relative } from "node:path";
import { afterAll, expect, vi } from "vitest";
import { PackedBody } from "../../src/hub/packing/packed-body.ts";
import { PackingContext } from "../../src/hub/packing/packing-context.ts";
import { addCompressionResult } from "./compression-results.ts";
import { root } from "./run.ts";

vi.mock(import("../../src/hub/packing/compression-test.ts"), async (original) => {
  const { compressionTest } = await original();
  return { compressionTest: (given) => compressionTest(given ?? (() => true)) };
});

/** Counts the calls of a method, until `stop` is called. It is no spy, which a test would restore with its own. */
class CallCounter {
  calls = 0;
  readonly stop: () => void;

  constructor(prototype: object, name: string) {
    const methods = prototype as Record<string, (...given: unknown[]) => unknown>;
    const method = methods[name] as (...given: unknown[]) => unknown;
    const count = (): void => void (this.calls += 1);
    methods[name] = function (...given) {
      count();
      return method.apply(this, given);
    };
    this.stop = () => (methods[name] = method);
  }
}

const packed = new CallCounter(PackingContext.prototype, "pack" satisfies keyof PackingContext);
const writes = new CallCounter(PackedBody.prototype, "packed" satisfies keyof PackedBody);

afterAll(() => {
  const { testPath = "" } = expect.getState();
  addCompressionResult({ file: relative(root, testPath), packed: packed.calls, writes: writes.calls });
  // The next file of this worker has the same classes, and counts for itself.
  packed.stop();
  writes.stop();
});
