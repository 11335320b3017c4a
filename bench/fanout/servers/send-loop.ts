import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startLineServer, type Server } from "./server.ts";

const source = fileURLToPath(new URL("send-loop.c", import.meta.url));
const folder = fileURLToPath(new URL("../../../bench-results/", import.meta.url));
const program = `${folder}send-loop`;

/** Compiles send-loop.c, unless that is done. Says why it could not be. */
export function sendLoopUnavailable(): string | undefined {
  if (process.platform !== "linux") return "it is for Linux";
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return undefined;
  mkdirSync(folder, { recursive: true });
  const { status, stderr, error } = spawnSync("cc", ["-O2", "-o", program, source], { encoding: "utf8" });
  if (error !== undefined) return "no C compiler, cc, on the PATH";
  return status === 0 ? undefined : stderr;
}

/** Starts the C program, once {@link sendLoopUnavailable} has made it. */
export async function startSendLoop(core: number): Promise<Server> {
  return startLineServer([program], core);
}
