import { spawnSync } from "node:child_process";
import { cpus } from "node:os";

/** The open files of a process under test, if the machine's hard limit allows so many: a connection is one. */
export const MAX_FILES = 40_000;

/** The line of a shell that raises the limit of open files. */
export const RAISE_FILES = `ulimit -n ${MAX_FILES} 2>/dev/null || ulimit -n "$(ulimit -Hn)"`;

let canPin: boolean | undefined;

/** Whether processes can be kept on one core each: `taskset` is there, and there are two cores or more. */
export function isPinning(): boolean {
  canPin ??= cpus().length > 1 && spawnSync("taskset", ["-c", "0", "true"]).status === 0;
  return canPin;
}

/**
 * The command line that runs `command` on one core, where that can be done, and with as many open files as it may have. The
 * shell and taskset give way to the command: its process is the one that is started.
 */
export function pinned(core: number, command: readonly string[]): readonly [string, ...string[]] {
  const shell = ["sh", "-c", `${RAISE_FILES}; exec "$@"`, "sh", ...command] as const;
  return isPinning() ? ["taskset", "-c", String(core), ...shell] : [...shell];
}
