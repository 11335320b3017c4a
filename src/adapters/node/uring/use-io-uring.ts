import { CometError, describe } from "../../../core/errors.ts";
import { processWide } from "../../../core/process-wide.ts";
import { batchSender, installBatchSender } from "../../../hub/delivery/batch-sender.ts";
import { koffiLibc, type KoffiLike } from "./koffi-libc.ts";
import type { Libc } from "./libc.ts";
import { nodeLibc } from "./node-libc.ts";
import { Ring } from "./ring.ts";
import { selfTest } from "./self-test.ts";
import { SocketBatch, type IoUringStats } from "./socket-batch.ts";

/** Options of {@link useIoUring}. */
export interface IoUringOptions {
  /**
   * The package `koffi`, from 2.11 on, by which Node 20 to 25 call the C library: `import koffi from "koffi"`. Another
   * value throws a `CometError` with the code `ERR_OPTION`.
   *
   * @default Node's own `node:ffi`, from Node 26 on
   */
  readonly koffi?: KoffiLike;
}

/** The io_uring of this thread, or the reason why there is none. */
export interface IoUring {
  /** Whether streams are sent by the ring now. It stops by itself after repeated failures. */
  readonly active: boolean;
  /** Why it is not active; `undefined` while it is. */
  readonly reason: string | undefined;
  /** Returns the counts since the start, for all hubs of this thread. It costs O(1). */
  stats(): IoUringStats;
  /** Closes the ring. Streams go on by single writes. */
  close(): void;
}

/** The smallest group that is sent to by the ring: below it a call gains nothing. */
const MIN_SINKS = 8;

/** The ring of this thread: one is enough for all copies of the package and all hubs. */
const started = processWide<{ ring: IoUring | undefined }>("io-uring", () => ({ ring: undefined }));

/**
 * Sends each flush of a hub's streams to up to 64 clients by one system call, on Linux, by io_uring.
 *
 * It serves all hubs of this thread, and streams over plain TCP on HTTP/1.1: behind a proxy that does TLS, these are
 * all. Everything else is written as before, and so are all streams where the kernel, a seccomp profile or Node refuses
 * io_uring: then `active` is false and `reason` says why. It throws for wrong options only. A second call returns the
 * same ring. The thread closes it when it ends.
 *
 * @example
 * ```ts
 * import koffi from "koffi";
 * import { useIoUring } from "comet-sockets/uring";
 * const { active, reason } = useIoUring({ koffi });
 * if (!active) console.log(`No io_uring: ${reason}`);
 * ```
 *
 * @throws {CometError} `ERR_OPTION` if `koffi` is not that package.
 */
export function useIoUring({ koffi }: IoUringOptions = {}): IoUring {
  if (koffi !== undefined && !isKoffi(koffi)) {
    throw new CometError("ERR_OPTION", `koffi must be the package "koffi", from 2.11 on, not ${describe(koffi)}.`);
  }
  return startIoUring(() => (koffi === undefined ? nodeLibc() : koffiLibc(koffi)), MIN_SINKS);
}

/**
 * Starts the ring of this thread, unless it has one.
 *
 * @param bind Binds the C library; `undefined` if there is no way to.
 * @param minSinks The smallest group that is sent to by the ring.
 */
export function startIoUring(bind: () => Libc | undefined, minSinks: number): IoUring {
  if (started.ring?.active === true) return started.ring;
  started.ring?.close();
  const ring = open(bind, minSinks);
  if (typeof ring === "string") return refused(ring);
  started.ring = ring;
  return ring;
}

/** Opens a ring, and tests it. Returns the reason if there can be none. */
function open(bind: () => Libc | undefined, minSinks: number): IoUring | string {
  const { platform, arch, version, versions } = process;
  if (versions["bun"] !== undefined || versions["deno"] !== undefined) return "It works on Node only.";
  if (platform !== "linux") return `io_uring is of Linux, and this is ${platform}.`;
  if (arch !== "x64" && arch !== "arm64") return `It is not tested on ${arch}.`;
  try {
    const libc = bind();
    if (libc === undefined) return `Node ${version} has no node:ffi: install koffi, and call useIoUring({ koffi }).`;
    const ring = new Ring(libc);
    const failure = selfTest(ring, libc);
    if (failure === undefined) return new ActiveRing(ring, minSinks);
    ring.close();
    return `The self-test failed: ${failure}`;
  } catch (error) {
    return reasonOf(error);
  }
}

function isKoffi(value: unknown): value is KoffiLike {
  const candidate = Object(value) as Readonly<Record<string, unknown>>;
  return ["load", "address", "view", "errno"].every((name) => typeof candidate[name] === "function");
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (!/^io_uring_setup: (?:EPERM|EACCES|ENOSYS)$/.test(message)) return message;
  return `${message}: a seccomp profile, such as Docker's default, kernel.io_uring_disabled, or the kernel refuses it.`;
}

function refused(reason: string): IoUring {
  const none: IoUringStats = { calls: 0, sends: 0, rests: 0, destroyed: 0 };
  return { active: false, reason, stats: () => ({ ...none }), close: () => undefined };
}

class ActiveRing implements IoUring {
  readonly #ring: Ring;
  readonly #batch: SocketBatch;
  #isClosed = false;
  readonly #onExit = (): void => this.close();

  constructor(ring: Ring, minSinks: number) {
    this.#ring = ring;
    this.#batch = new SocketBatch(ring, minSinks);
    installBatchSender(this.#batch);
    process.once("exit", this.#onExit);
  }

  get active(): boolean {
    return this.reason === undefined;
  }

  get reason(): string | undefined {
    return this.#batch.stopped;
  }

  stats(): IoUringStats {
    return { ...this.#batch.stats };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    process.off("exit", this.#onExit);
    this.#batch.stop("It was closed.");
    if (batchSender() === this.#batch) installBatchSender(undefined);
    // A send that the kernel has not completed may still read the ring's memory, which then stays.
    if (this.#batch.stats.destroyed === 0) this.#ring.close();
  }
}
