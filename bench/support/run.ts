import { spawnSync } from "node:child_process";
import { loadavg, release, totalmem, type } from "node:os";
import { machine } from "./machine.ts";

/** A run of a benchmark: what was measured, when and on what. */
export interface Run {
  /** The abbreviated hash of the commit; `unknown` outside a repository. */
  readonly commit: string;
  /** Whether files differ from the commit. */
  readonly isChanged: boolean;
  /** The start, in UTC: `2026-11-29 06:00`. */
  readonly date: string;
  readonly isQuick: boolean;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** The system and its release. */
  readonly kernel: string;
  /** The load average of the minute before the start. */
  readonly loadBefore: number;
}

function git(...args: readonly string[]): string {
  const { stdout, status } = spawnSync("git", args, { encoding: "utf8", cwd: import.meta.dirname });
  return status === 0 ? stdout.trim() : "unknown";
}

/** The run that starts now, of the commit that is checked out. */
export function startedRun(isQuick: boolean): Run {
  return {
    commit: git("rev-parse", "--short", "HEAD"),
    isChanged: git("status", "--porcelain") !== "",
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    isQuick,
    ...machine(),
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()}`,
    loadBefore: loadavg()[0] ?? NaN,
  };
}

/** The run in one line, for a chart. */
export function describeRun({ commit, isChanged, date, isQuick, node, cpu, cores }: Run): string {
  const what = `${isQuick ? "A quick run" : "A run"} of commit ${commit}${isChanged ? " with changes" : ""}`;
  return `${what}, ${date} UTC, Node ${node.slice(1)}, ${cpu}, ${cores} cores.`;
}
