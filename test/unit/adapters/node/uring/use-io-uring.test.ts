import * as koffi from "koffi";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { useIoUring, type KoffiLike } from "../../../../../src/adapters/node/uring/index.ts";
import { startIoUring } from "../../../../../src/adapters/node/uring/use-io-uring.ts";
import { batchSender } from "../../../../../src/hub/delivery/batch-sender.ts";
import type { Hub } from "../../../../../src/index.ts";
import { serveGuide } from "../../../../support/guides.ts";
import { Follower, serveHub } from "../../../../support/hub.ts";
import { expectCode, until } from "../../../../support/sources.ts";
import { faultyLibc, libc } from "../../../../support/faulty-libc.ts";
import { expectCounts, refusal } from "../../../../support/uring.ts";
import { ringsOfProcess } from "../../../../support/rings-of-process.ts";

afterEach(() => vi.restoreAllMocks());

/** Replaces a property of `process` until the test is over. */
function replace(name: "platform" | "arch" | "versions", value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(process, name) as PropertyDescriptor;
  Object.defineProperty(process, name, { ...before, value });
  onTestFinished(() => void Object.defineProperty(process, name, before));
}

const none = { calls: 0, sends: 0, rests: 0, destroyed: 0 };

/** Expects that there is no ring, for this reason, and that nothing has changed. */
function expectRefused(start: () => ReturnType<typeof useIoUring>, reason: string | RegExp): void {
  const before = ringsOfProcess();
  const ring = start();
  onTestFinished(() => ring.close());
  expect(ring.active).toBe(false);
  expect(ring.reason).toMatch(reason);
  expect(ring.stats()).toEqual(none);
  ring.close();
  expect(batchSender()).toBeUndefined();
  expect(ringsOfProcess()).toEqual(before);
}

const failing =
  (number: number): (() => typeof libc) =>
  () => ({ ...libc, setup: () => -1, errno: () => number });

describe("useIoUring", () => {
  test("by koffi is active, or gives the kernel's refusal", () => {
    const ring = useIoUring({ koffi });
    onTestFinished(() => ring.close());
    expect(ring.active).toBe(refusal === undefined);
    if (refusal === undefined) expect(ring.reason).toBeUndefined();
    else expect(ring.reason).toContain(refusal);
    expect(ring.stats()).toEqual(none);
  });

  test("returns the same ring again, and another one once that is closed", () => {
    const ring = useIoUring({ koffi });
    onTestFinished(() => ring.close());
    expect(useIoUring({ koffi }) === ring).toBe(ring.active);
    ring.close();
    const other = useIoUring({ koffi });
    onTestFinished(() => other.close());
    expect([ring.active, other.active]).toEqual([false, refusal === undefined]);
    expect(other).not.toBe(ring);
  });

  test("listens to the end of the process while it is active, and closes the ring there", () => {
    const before = process.listeners("exit").length;
    const rings = ringsOfProcess();
    const ring = useIoUring({ koffi });
    const listeners = process.listeners("exit");
    expect(listeners.length).toBe(before + (ring.active ? 1 : 0));
    if (ring.active) (listeners.at(-1) as () => void)();
    expect(ring.active).toBe(false);
    expect(ringsOfProcess()).toEqual(rings);
    expect(process.listeners("exit").length).toBe(before);
  });

  test("leaves groups of fewer than eight connections alone", async () => {
    const ring = useIoUring({ koffi });
    onTestFinished(() => ring.close());
    const server = await serveHub({ heartbeatMs: 0 });
    const followers: Follower[] = [];
    const open = async (): Promise<void> => {
      followers.push(await (await server.follow("topic=t&wire=ndjson")).begun());
    };
    for (let i = 0; i < 7; i += 1) await open();
    void server.hub.topic<string>("t").publish("x");
    for (const follower of followers) await follower.has(1);
    expect(ring.stats()).toEqual(none);
    await open();
    void server.hub.topic<string>("t").publish("y");
    for (const follower of followers) await until(() => follower.data.at(-1) === "y");
    expectCounts(ring, { calls: 1, sends: 8 });
  });

  test.each([null, 1, "koffi", {}, { load: () => undefined }])("throws for %j instead of koffi", async (value) => {
    await expectCode("ERR_OPTION", () => useIoUring({ koffi: value as unknown as KoffiLike }), /package "koffi"/);
  });
});

describe("a ring is refused", () => {
  test("where the system is not Linux", () => {
    replace("platform", "darwin");
    expectRefused(() => useIoUring({ koffi }), "io_uring is of Linux, and this is darwin.");
  });

  test("on an architecture that it is not made for", () => {
    replace("arch", "s390x");
    expectRefused(() => useIoUring({ koffi }), "s390x");
  });

  test.each(["bun", "deno"])("on %s", (name) => {
    replace("versions", { ...process.versions, [name]: "1.0.0" });
    expectRefused(() => useIoUring({ koffi }), "Node only");
  });

  test("where Node has no node:ffi and there is no koffi", () => {
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
    expectRefused(
      () => useIoUring(),
      /^Node v\S+ has no node:ffi: install koffi, and call useIoUring\(\{ koffi \}\)\.$/,
    );
  });

  test("where Node's permission model refuses foreign functions", () => {
    const ffi = {
      dlopen: () => {
        throw new Error("Access to this API has been restricted. Use --allow-ffi to manage permissions.");
      },
    };
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(ffi);
    expectRefused(() => useIoUring(), "--allow-ffi");
  });

  test("where koffi cannot load the C library", () => {
    const broken = {
      ...koffi,
      load: () => {
        throw new Error("No such library");
      },
    };
    expectRefused(() => useIoUring({ koffi: broken as unknown as KoffiLike }), "No such library");
  });

  test.each([
    [1, "EPERM"],
    [13, "EACCES"],
    [38, "ENOSYS"],
  ])("by error %i of the kernel, with the causes that it may have", (number, name) => {
    const reason = new RegExp(`^io_uring_setup: ${name}: .*seccomp.*kernel\\.io_uring_disabled`);
    expectRefused(() => startIoUring(failing(number), 1), reason);
  });

  test.each([
    [12, "ENOMEM"],
    [24, "EMFILE"],
    [22, "EINVAL"],
  ])("by error %i of the kernel", (number, name) => {
    expectRefused(() => startIoUring(failing(number), 1), new RegExp(`^io_uring_setup: ${name}$`));
  });

  test("where the self-test fails", () => {
    const reason = refusal ?? "The self-test failed: A send was not completed.";
    expectRefused(() => startIoUring(() => faultyLibc({ cut: () => 0 }), 1), reason);
  });
});

test("the example of docs/io-uring.md sends by a ring, or says why not", async () => {
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void said.push(line));
  const { origin, exports } = await serveGuide("io-uring");
  onTestFinished(() => useIoUring({ koffi }).close());
  const { hub } = exports as { readonly hub: Hub };
  const followers: Follower[] = [];
  for (let i = 0; i < 8; i += 1) followers.push(await (await Follower.fetch(`${origin}/?topic=t&wire=ndjson`)).begun());
  void hub.topic<string>("t").publish("x");
  for (const follower of followers) await follower.has(1);
  // The example has a copy of the package of its own, and the thread has one ring.
  expectCounts(useIoUring({ koffi }), { sends: 8 });
  expect(said.length).toBe(refusal === undefined ? 0 : 1);
  for (const follower of followers) follower.leave();
});

describe("in a worker thread", () => {
  const program = new URL("../../../../support/uring-worker.ts", import.meta.url);

  test.each(["ends", "process.exit", "throws"])("the ring is closed when the thread %s", async (how) => {
    const before = ringsOfProcess();
    for (let i = 0; i < 3; i += 1) {
      const worker = new Worker(program, { workerData: how });
      const active: unknown[] = [];
      worker.on("message", (message) => active.push(message));
      worker.on("error", () => undefined);
      await new Promise((resolve) => worker.once("exit", resolve));
      expect(active).toEqual([refusal === undefined]);
    }
    expect(ringsOfProcess()).toEqual(before);
  });

  test("the ring's descriptor is closed when the thread is terminated", async () => {
    const before = ringsOfProcess();
    const worker = new Worker(program, { workerData: "stays" });
    await new Promise((resolve) => worker.once("message", resolve));
    // The event loop of a thread may have a ring of libuv's as well.
    expect(ringsOfProcess().descriptors).toBeGreaterThanOrEqual(before.descriptors + (refusal === undefined ? 1 : 0));
    await worker.terminate();
    expect(ringsOfProcess().descriptors).toBe(before.descriptors);
  });

  test("has a ring of its own, beside that of the main thread", async () => {
    const ring = useIoUring({ koffi });
    onTestFinished(() => ring.close());
    const worker = new Worker(program, { workerData: "ends" });
    await new Promise((resolve) => worker.once("exit", resolve));
    expect(ring.active).toBe(refusal === undefined);
    const server = await serveHub({ heartbeatMs: 0 });
    const followers: Follower[] = [];
    for (let i = 0; i < 8; i += 1) followers.push(await (await server.follow("topic=t&wire=ndjson")).begun());
    void server.hub.topic<string>("t").publish("x");
    for (const follower of followers) await follower.has(1);
    expectCounts(ring, { sends: 8 });
  });
});
