import { readdirSync, readFileSync } from "node:fs";
import type { Page } from "./browsers/browser.ts";

/** What the command lines of processes that run pages have in them. Chromium's own window is a page as well, and none of ours. */
const RUNS_PAGES = /--type=renderer(?!.*--top-chrome-webui)|-contentproc .* tab$|WebKitWebProcess/;

/** The processes below one, and those below them. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : "";
    // The second field is the name in brackets, which may hold blanks and brackets.
    if (stat !== "") parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found.slice(1);
}

/**
 * The process that runs a page: of those below this process, the one whose main thread works while the page does.
 *
 * @throws {Error} if that cannot be said.
 */
export async function processOf(page: Page): Promise<number> {
  const isPages = (pid: number): boolean =>
    RUNS_PAGES.test(read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trimEnd());
  for (let left = 5; left > 0; left -= 1) {
    const before = new Map(
      descendants(process.pid)
        .filter(isPages)
        .map((pid) => [pid, mainThread(pid).ranMs]),
    );
    // So much work, not so much time: others may have the processor.
    await page.evaluate("(() => { let n = 0; for (let i = 0; i < 3e8; i += 1) n = (n * 31 + i) | 0; return n; })()");
    const worked = [...before].map(([pid, ms]) => ({ pid, ms: mainThread(pid).ranMs - ms }));
    const [most, second] = worked.toSorted((a, b) => b.ms - a.ms);
    if (most !== undefined && most.ms > 100 && most.ms > 2 * (second?.ms ?? 0)) return most.pid;
  }
  throw new Error("No process works when the page does.");
}

/** How long a process's main thread has run, and has waited for a core though it had something to do, in milliseconds. */
export function mainThread(pid: number): { readonly ranMs: number; readonly waitedMs: number } {
  const [ran = 0, waited = 0] = read(`/proc/${pid}/schedstat`).split(" ").map(Number);
  return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
}

/** The memory of a process, what it shares with others divided among them (PSS), in bytes; 0 if it is gone. */
export function memoryOf(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
}

/** A file of /proc; empty if its process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
