import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Runs a script of ours in a new process of the same Node, and gives what it printed last: one line of JSON. A process of its
 * own has seen no other variant: nothing that one left behind, in the heap or in the compiler's type feedback, reaches the next.
 *
 * @param script The script's URL.
 * @returns Rejects if the process fails, or if its last line is not JSON.
 */
export async function inFreshProcess(script: URL, args: readonly string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, ["--expose-gc", fileURLToPath(script), ...args]);
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(line);
}
