import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patienceMs, within } from "./common.ts";

/**
 * Reads the ids of process groups, one a line, until its input ends, which also happens when the test's process dies,
 * even by SIGKILL. Then it stops the groups and removes the directory. SIGTERM first, as Xvfb then removes its locks.
 * The browsers' crash reporters are in groups of their own, but end with their browser.
 */
const guardScript = `
groups=
while read -r group; do groups="$groups $group"; done
for group in $groups; do kill -TERM "-$group"; done
for group in $groups; do
  tries=0
  while kill -0 "$group" && [ $tries -lt 40 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -KILL "-$group"
done
rm -rf "$1" || { sleep 0.5; rm -rf "$1"; }
`;

export interface ScopedProcess {
  /**
   * Resolves with the first match in the end of its output.
   *
   * @throws with that output when it exits first, or takes too long
   */
  readonly waitFor: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** The same for another sign of life; `done` says in the error what the program has not done. */
  readonly until: <T>(promise: Promise<T>, done: string) => Promise<T>;
}

/**
 * A temporary directory and the processes that live in it. All end together: when the scope is closed, when one of the
 * processes exits, or when this process does.
 */
export class ProcessScope {
  readonly directory: string;
  readonly #guard: ChildProcess;
  readonly #groups: number[] = [];
  readonly #guardGone: Promise<unknown>;

  constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), `comet-${name}-`));
    // In a process group of its own, so that Ctrl-C in a terminal does not stop it.
    this.#guard = spawn("sh", ["-c", guardScript, "sh", this.directory], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#guardGone = once(this.#guard, "exit");
  }

  /** A directory inside the scope's, made if need be. */
  folder(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Starts a program that finds its home, its temporary files and no message bus inside the scope. */
  start(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ScopedProcess {
    const home = this.folder("home");
    const child = spawn(command, args, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      cwd: home,
      env: {
        ...process.env,
        HOME: home,
        TMPDIR: this.folder("tmp"),
        XDG_RUNTIME_DIR: this.folder("run"),
        XDG_CONFIG_HOME: this.folder("config"),
        XDG_CACHE_HOME: this.folder("cache"),
        XDG_DATA_HOME: this.folder("data"),
        DBUS_SESSION_BUS_ADDRESS: "disabled:",
        ...env,
      },
    });
    let output = "";
    const collect = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-16_384));
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);

    const gone = new Promise<never>((_, reject) => {
      const fail = (why: string) => reject(new Error(`${command} ${why}:\n${output.trim()}`));
      child.once("error", (error) => fail(`did not start (${error.message})`));
      child.once("exit", (code, signal) => fail(`ended with ${signal ?? `code ${code ?? "?"}`}`));
    });
    // Whoever waits hears of it; with nobody waiting, it is the end of the scope and no error.
    gone.catch(() => this.close());
    if (child.pid !== undefined) {
      this.#guard.stdin?.write(`${child.pid}\n`);
      this.#groups.push(child.pid);
    }

    const matched = (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve) => {
        const look = () => {
          const match = pattern.exec(output);
          if (match) resolve(match);
        };
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        look();
      });
    const until = <T>(promise: Promise<T>, done: string) =>
      within(patienceMs, () => `${command} has not ${done}:\n${output.trim()}\n`, Promise.race([promise, gone]));
    return {
      until,
      waitFor: (pattern) => until(matched(pattern), `written ${String(pattern)}`),
    };
  }

  /** Stops all processes, as the sleep of a machine does. Returns a function that lets them continue. */
  suspend(): () => void {
    const signal = (name: NodeJS.Signals): void => {
      for (const group of this.#groups) process.kill(-group, name);
    };
    signal("SIGSTOP");
    return () => signal("SIGCONT");
  }

  async close(): Promise<void> {
    this.#guard.stdin?.end();
    await this.#guardGone;
  }
}
