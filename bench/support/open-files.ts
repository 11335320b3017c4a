import { spawnSync } from "node:child_process";
import { MAX_FILES, RAISE_FILES } from "./pinned.ts";

/** The open files that a process under test gets on this machine: as many as are asked for, or the hard limit. */
export function openFiles(): number {
  const { stdout } = spawnSync("sh", ["-c", `${RAISE_FILES}; ulimit -n`], { encoding: "utf8" });
  const limit = stdout.trim();
  return limit === "unlimited" ? MAX_FILES : Number(limit);
}
