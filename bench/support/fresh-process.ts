import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pinned } from "./pinned.ts";

const run = promisify(execFile);

type Command = readonly [string, ...string[]];

/**
 * Runs a script of ours in a new process of the same Node, and gives what it printed last: one line of JSON. A process of its
 * own has seen no other variant: nothing that one left behind, in the heap or in the compiler's type feedback, reaches the next.
 *
 * @param script The script's URL.
 * @param core The core to run it on; any, if not given.
 * @param wrap Makes the command that runs the process out of its own.
 * @returns Rejects if the process fails, or if its last line is not JSON.
 */
export async function inFreshProcess(
  script: URL,
  args: readonly string[],
  core?: number,
  wrap: (command: Command) => Command = (command) => command,
): Promise<unknown> {
  const command: Command = [process.execPath, "--expose-gc", fileURLToPath(script), ...args];
  const [program, ...rest] = wrap(core === undefined ? command : pinned(core, command));
  const { stdout } = await run(program, rest);
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(line);
}
