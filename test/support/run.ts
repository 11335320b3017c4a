import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";

export const root: string = resolve(import.meta.dirname, "../..");

/** Runs a program to its end, and answers what it printed. @throws with all that it printed, if it fails. */
export async function run(program: string, args: readonly string[], cwd: string = root): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}
