/** The server of an example, in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";
import { run } from "../support/run.ts";
import { commandOf } from "./project.ts";

/** A running server of an example. */
export interface FrameworkServer {
  readonly origin: string;
  /** What it has printed. */
  readonly output: () => string;
  /** Sends SIGTERM, and resolves to the code and signal with which the process ends. */
  terminate(): Promise<[number | null, NodeJS.Signals | null]>;
  /** Resolves when the process has ended by itself. */
  readonly exited: Promise<unknown>;
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

/** Where a server of an example listens, as variables of its environment. */
interface Address {
  readonly PORT: string;
  /** For the server behind a proxy. */
  readonly API_PORT: string;
  readonly HOST: string;
  readonly ORIGIN: string;
  readonly [name: string]: string;
}

/** Returns an address at free ports of this machine. Some frameworks want the origin when they build. */
export async function newAddress(): Promise<Address> {
  const [port, apiPort] = [await freePort(), await freePort()];
  return { PORT: String(port), API_PORT: String(apiPort), HOST: "127.0.0.1", ORIGIN: `http://127.0.0.1:${port}` };
}

/** Runs a command of a project until it answers at `ORIGIN`. @throws {Error} with its output if it ends before. */
export async function startServer(project: string, command: readonly string[], env: Address): Promise<FrameworkServer> {
  const origin = env.ORIGIN;
  const child = spawn(process.execPath, commandOf(project, command), {
    cwd: project,
    env: { ...cleanEnvironment(), ...env },
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
    exited,
    kill,
  };
}

/** Returns the environment of a program. NODE_ENV and other variables of this process would change what frameworks do. */
function cleanEnvironment(): { readonly PATH: string; readonly HOME: string } {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME };
}

/** Runs a command of a project to its end. @throws {Error} with all that it printed, if it fails. */
export async function runCommand(
  project: string,
  command: readonly string[],
  env: { readonly [name: string]: string },
): Promise<void> {
  const variables = Object.entries({ ...cleanEnvironment(), ...env }).map(([name, value]) => `${name}=${value}`);
  await run("env", ["-i", ...variables, process.execPath, ...commandOf(project, command)], project);
}
