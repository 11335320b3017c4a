import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Messages to publish: `count` of them, in turn to some topics, with `width` calls pending. */
export interface SqlitePublishing {
  readonly topics: readonly string[];
  readonly label: string;
  readonly count?: number;
  readonly width?: number;
}

/** A message whose `publish` has resolved. */
export interface Acknowledged {
  readonly topic: string;
  readonly json: string;
  readonly epoch: string;
  readonly offset: number;
}

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly acknowledged?: Acknowledged;
}

const program = fileURLToPath(new URL("sqlite-process-program.ts", import.meta.url));

/** A process of its own with a broker on a SQLite file. Its program has the calls. */
export class SqliteProcess {
  readonly acknowledged: Acknowledged[] = [];
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  #calls = 0;

  /**
   * @param mounted A directory that is to be an empty file system of 1 MiB for this process.
   * @param flags Options of Node.
   */
  constructor(mounted?: string, flags: readonly string[] = []) {
    const mount = ["-Urm", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'];
    const within =
      mounted === undefined ? {} : { execPath: "unshare", execArgv: [...mount, mounted, process.execPath] };
    this.#process = fork(program, { execArgv: [...flags], ...within });
    this.#process.on("message", ({ id, result, error, acknowledged }: Reply) => {
      if (acknowledged !== undefined) this.acknowledged.push(acknowledged);
      if (id === undefined) return;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new Error(error));
    });
    this.#process.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The process has ended."));
    });
  }

  call<R>(name: string, argument?: unknown): Promise<R> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise<R>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, name, argument });
    });
  }

  /** Resolves to the exit code of a process that is to end by itself. */
  async exited(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const [code] = (await once(this.#process, "exit")) as [number | null];
    return code;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Lets it end by itself: nothing but the broker keeps it alive. */
  release(): void {
    this.#process.disconnect();
  }

  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }

  /** Kills it, and resolves when all that it has sent is received. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const received = this.#process.connected ? once(this.#process, "disconnect") : undefined;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await Promise.all([gone, received]);
  }
}
