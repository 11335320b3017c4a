/**
 * The setup of the project `uring`: the tests of the hub and of its Node adapter run on a ring that sends to groups of one member
 * and more. Each file adds its counts to `test-results/uring.json`; `uring-setup.ts` reads them.
 */
import { appendFileSync } from "node:fs";
import { afterAll, afterEach, beforeEach } from "vitest";
import { startIoUring } from "../../src/adapters/node/uring/use-io-uring.ts";
import { libc } from "./faulty-libc.ts";
import { uringResults } from "./uring-results.ts";

let sends = 0;
let reason: string | undefined;
let ring: ReturnType<typeof startIoUring> | undefined;

beforeEach(() => {
  ring = startIoUring(() => libc, 1);
  ({ reason } = ring);
});
afterEach(() => {
  sends += ring?.stats().sends ?? 0;
  ring?.close();
});
afterAll(() => appendFileSync(uringResults, `${JSON.stringify({ sends, reason })}\n`));
