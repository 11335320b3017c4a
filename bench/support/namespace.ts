import { spawnSync } from "node:child_process";

let canUnshare: boolean | undefined;

/** Whether processes can have a network namespace of their own: on Linux, as root. */
export function hasNamespaces(): boolean {
  canUnshare ??= spawnSync("unshare", ["-n", "ip", "link", "set", "lo", "up"]).status === 0;
  return canUnshare;
}

/**
 * The command in a network namespace of its own, which ends with its processes; unchanged where there are none. There, all ports are free:
 * connections of the run before keep theirs for a minute after their end.
 */
export function inNamespace(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return hasNamespaces() ? ["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", ...command] : command;
}
