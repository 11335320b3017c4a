import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";

const running = new Set<ChildProcess>();

process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A server program in a process of its own, which prints its address when it listens. */
export interface ExampleProcess extends AsyncDisposable {
  readonly origin: string;
  kill(): Promise<void>;
}

/**
 * Runs a program as a reader would: `node FILE`, with `PORT` in its environment.
 *
 * @param node The Node that runs it.
 * @throws {Error} with what it printed if it ends before it listens.
 */
export async function startExample(file: string, port: number, node = process.execPath): Promise<ExampleProcess> {
  const env = { ...process.env, PORT: String(port) };
  const child = spawn(node, [file], { cwd: dirname(file), env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const closed = once(child, "close");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
    running.delete(child);
  };
  let errors = "";
  child.stderr.on("data", (data) => (errors += String(data)));
  const output = createInterface(child.stdout);
  const line = await Promise.race([
    once(output, "line").then(([text]) => String(text)),
    closed.then(() => Promise.reject(new Error(`${file} ended:\n${errors}`))),
  ]);
  return { origin: line, kill, [Symbol.asyncDispose]: kill };
}
