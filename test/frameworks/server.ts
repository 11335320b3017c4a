/** The server of an example, in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { commandOf } from "./project.ts";

/** A running server of an example. */
export interface FrameworkServer {
  readonly origin: string;
  /** What it has printed. */
  readonly output: () => string;
  /** Sends SIGTERM, and resolves to the code and signal with which the process ends. */
  terminate(): Promise<[number | null, NodeJS.Signals | null]>;
  /** Kills it and its children, if it still runs. */
  kill(): Promise<void>;
}

const running = new Set<number>();
process.once("exit", () => running.forEach(killGroup));

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone.
  }
}

/** Runs a command of a project until it answers at `PORT`. @throws {Error} with its output if it ends before. */
export async function startServer(
  project: string,
  command: readonly string[],
  env: { readonly [name: string]: string } = {},
): Promise<FrameworkServer> {
  const port = String(await freePort());
  const origin = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, commandOf(project, command), {
    cwd: project,
    // VITEST and NODE_ENV of this process would change what frameworks do.
    env: { ...cleanEnvironment(), PORT: port, HOST: "127.0.0.1", ORIGIN: origin, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const pid = child.pid ?? 0;
  running.add(pid);
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const kill = async (): Promise<void> => {
    killGroup(pid);
    await exited;
    running.delete(pid);
  };
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${command.join(" ")} ended:\n${output}`);
    const isReady = await fetch(`${origin}/version`).then(
      async (response) => {
        await response.body?.cancel();
        return response.ok;
      },
      () => false,
    );
    if (isReady) break;
    await sleep(50);
  }
  return {
    origin,
    output: () => output,
    terminate: () => {
      child.kill("SIGTERM");
      return exited;
    },
    kill,
  };
}

/** Returns the environment of this process, without the variables that a test runner or npm adds. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_ENV$|npm_|TEST$|MODE$|DEV$|PROD$|SSR$|BASE_URL$)/.test(name)),
  );
}
