import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { Follower } from "../hub.ts";
import type { HubState, Order } from "./app.ts";
import { programFolder, type Runtime } from "./runtimes.ts";

/** The order to one hub, with its result. */
type Result<O extends Order> = O extends { op: "state" } ? HubState : O extends { op: "publish" } ? string : null;

/** A kept connection may close just as it is used again: Node's server closes those that are idle for 5 s. */
const notKept = { connection: "close" };

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A server of one runtime in a process of its own. Stop it when the tests are over. */
export class RuntimeProcess {
  readonly runtime: Runtime;
  readonly port: number;
  /** The folder of its bundle, in which it may keep files. */
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #output: () => string;

  private constructor(runtime: Runtime, child: ChildProcess, folder: string, port: number, output: () => string) {
    this.runtime = runtime;
    this.#child = child;
    this.folder = folder;
    this.port = port;
    this.#output = output;
  }

  /**
   * Bundles the program of a runtime, and starts it. Resolves once it listens.
   *
   * @param folder The folder of one that was killed, to start it again.
   */
  static async start(
    runtime: Runtime,
    folder: string = mkdtempSync(join(tmpdir(), "comet-sockets-runtime-")),
  ): Promise<RuntimeProcess> {
    const bundle = join(folder, "program.mjs");
    await build({
      entryPoints: [join(programFolder, runtime.program)],
      outfile: bundle,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "es2022",
      external: ["cloudflare:*"],
      // Dependencies of CommonJS call `require`.
      banner: { js: runtime.program === "program-hono.ts" ? requireBanner : "" },
      logLevel: "error",
    });
    const [program, ...args] = await runtime.command(bundle);
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    running.add(child);
    let output = "";
    let onPort: (port: number) => void = () => undefined;
    const listening = new Promise<number>((resolve) => (onPort = resolve));
    for (const stream of child.stdio.slice(1)) {
      stream?.on("data", (data) => {
        output += String(data);
        const port = /port"?[: ]+(\d+)/.exec(output)?.[1];
        if (port !== undefined) onPort(Number(port));
      });
    }
    const failed = once(child, "exit").then(([code]) => {
      running.delete(child);
      throw new Error(`${runtime.name} ended with ${String(code)} before it listened:\n${output}`);
    });
    failed.catch(() => undefined);
    const port = await Promise.race([listening, failed]);
    return new RuntimeProcess(runtime, child, folder, port, () => output);
  }

  /** What it has printed besides its port and what the runtime itself warns of. */
  get output(): string {
    const { logs, logsBreakOffs } = this.runtime.limits;
    const rest = this.#output()
      .replace(/^port \d+\n/m, "")
      .replace(/^\{"event":"listen".*\n/gm, "")
      .replace(logsBreakOffs ?? "", "");
    return logs === undefined ? rest : rest.replace(logs, "");
  }

  /** Whether it has printed this. */
  prints(text: RegExp): boolean {
    return this.#output().search(text) !== -1;
  }

  /** Gives an order to a hub. */
  async order<O extends Order>(hub: string, order: O): Promise<Result<O>> {
    const response = await fetch(`http://127.0.0.1:${this.port}/order/${hub}`, {
      method: "POST",
      body: JSON.stringify(order),
      headers: notKept,
    });
    const { result, error } = (await response.json()) as { result?: Result<O>; error?: string };
    if (error !== undefined) throw new Error(error);
    return result as Result<O>;
  }

  /** Follows a hub. */
  follow(hub: string, query: string): Promise<Follower> {
    return Follower.fetch(`http://127.0.0.1:${this.port}/live/${hub}?${query}`, { headers: notKept });
  }

  /** The resident memory of the process in bytes. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid ?? 0}/status`, "latin1");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  /** Resolves with its exit code when it has ended by itself. */
  async ended(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended();
    running.delete(this.#child);
  }

  /** Kills it, and removes its folder. */
  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const requireBanner = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
