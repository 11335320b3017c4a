import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import type { PresenceChange, PresenceOptions } from "../../src/index.ts";
import { Follower } from "../support/hub.ts";

/** A message of a process to the test. */
export interface PresenceNews {
  readonly port?: number;
  readonly watching?: true;
  readonly change?: PresenceChange;
}

/** Time limit for a process to know a change, in milliseconds. */
const PATIENCE_MS = 60_000;

export type Known = Readonly<Record<string, number>>;

/** A process with a hub, which is killed after the test. */
export class PresenceProcess {
  readonly changes: PresenceChange[] = [];
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(url: string, presence: PresenceOptions) {
    const program = fileURLToPath(new URL("presence-program.ts", import.meta.url));
    this.#child = fork(program, [url, JSON.stringify(presence)], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#child.on("message", ({ change }: PresenceNews) => {
      if (change !== undefined) this.changes.push(change);
    });
    onTestFinished(() => void this.#child.kill("SIGKILL"));
  }

  static async start(url: string, presence: PresenceOptions = {}): Promise<PresenceProcess> {
    const started = new PresenceProcess(url, presence);
    const [{ port }] = (await once(started.#child, "message")) as [PresenceNews];
    started.#port = port ?? expect.fail("it did not start");
    return started;
  }

  /** Watches joins and leaves. Resolves when the process knows the present state. */
  async watch(): Promise<void> {
    this.#child.send("watch");
    await once(this.#child, "message");
  }

  /** Connects a client over the network. */
  async follow(identity?: string): Promise<Follower> {
    const query = identity === undefined ? "" : `&as=${encodeURIComponent(identity)}`;
    const follower = await Follower.fetch(`http://127.0.0.1:${this.#port}/?wire=ndjson${query}`);
    return follower.begun();
  }

  async presence(): Promise<Known> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/presence`);
    return (await response.json()) as Known;
  }

  /** Waits until its presence is this. */
  async knows(expected: Known): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const known = await this.presence();
      if (JSON.stringify(Object.entries(known).sort()) === JSON.stringify(Object.entries(expected).sort())) return;
      if (performance.now() > end) expect(known, `not within ${PATIENCE_MS} ms`).toEqual(expected);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  /** Closes the hub, and then the process. */
  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.send("close");
    await exited;
  }
}
