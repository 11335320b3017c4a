import { existsSync, readFileSync } from "node:fs";

/** What a process has used. CPU time in microseconds, of all its threads; memory in bytes. */
export interface Usage {
  readonly user: number;
  readonly system: number;
  readonly rss: number;
}

/** The unit of CPU time in /proc, in microseconds: USER_HZ is 100 on every Linux there is. */
const TICK_US = 10_000;
const PAGE_BYTES = 4096;

/** What this process has used. */
export function ownUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { user, system, rss: process.memoryUsage.rss() };
}

/** What other processes, of one thread each, have used together, from /proc. */
export function usageOf(pids: readonly number[]): Usage {
  return pids.map(usageOfOne).reduce(sum, { user: 0, system: 0, rss: 0 });
}

/** What was used between the two; the memory is that of the later. */
export function usageBetween(before: Usage, after: Usage): Usage {
  return { user: after.user - before.user, system: after.system - before.system, rss: after.rss };
}

function usageOfOne(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the name in brackets, which may hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  const [user, system] = [field(14), field(15)];
  // There to the nanosecond, but not parted; where the kernel does not keep it, the ticks of 10 ms have to do.
  const total = nanosecondsOf(pid) / 1000 || (user + system) * TICK_US;
  const userShare = user / Math.max(1, user + system);
  return { user: total * userShare, system: total * (1 - userShare), rss: field(24) * PAGE_BYTES };
}

function nanosecondsOf(pid: number): number {
  const file = `/proc/${pid}/schedstat`;
  return existsSync(file) ? Number(readFileSync(file, "utf8").split(" ", 1)[0]) : 0;
}

function sum(a: Usage, b: Usage): Usage {
  return { user: a.user + b.user, system: a.system + b.system, rss: a.rss + b.rss };
}
