import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A program in a process of its own, whose handlers are called over IPC. See {@link serveCalls}. */
export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  #calls = 0;

  /** @param script The URL of its program. */
  constructor(script: URL, args: readonly string[] = [], execArgv: readonly string[] = ["--expose-gc"]) {
    this.#process = fork(fileURLToPath(script), args, { execArgv: [...execArgv] });
    this.#process.on("message", ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    this.#process.on("exit", (code, signal) => {
      const error = new Error(`A child process ended with ${String(code ?? signal)}.`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  call<R>(name: string, argument?: unknown): Promise<R> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise<R>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#process.send({ id, name, argument }, (error) => {
        if (error === null || !this.#waiting.delete(id)) return;
        reject(error);
      });
    });
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }

  /** Kills it, and resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.stop();
    await gone;
  }

  /** Stops it where it is, and lets it go on. */
  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }
}

/** Answers the calls of the parent process by functions, and ends with it. */
export function serveCalls(handlers: { readonly [name: string]: (argument: never) => unknown }): void {
  process.on("message", ({ id, name, argument }: { id: number; name: string; argument: unknown }) => {
    const handler = handlers[name] as ((argument: unknown) => unknown) | undefined;
    void Promise.resolve()
      .then(() => {
        if (handler === undefined) throw new Error(`There is no ${name}.`);
        return handler(argument);
      })
      .then(
        (result) => process.send?.({ id, result }),
        (error: unknown) => process.send?.({ id, error: (error as Error).stack ?? String(error) }),
      );
  });
  process.on("disconnect", () => process.exit());
}
