import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

interface Waiting {
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** A child process that is told what to do in lines on its stdin, and answers in lines on its stdout. */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  readonly #unread: string[] = [];
  #ended: Error | undefined;

  constructor([program, ...args]: readonly [string, ...string[]]) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const { stdin, stdout } = this.#streams;
    stdin.on("error", () => undefined);
    createInterface({ input: stdout }).on("line", (line) => {
      const first = this.#waiting.shift();
      if (first === undefined) this.#unread.push(line);
      else first.resolve(line);
    });
    this.#child.on("error", (error) => this.#end(error));
    this.#child.on("exit", (code, signal) => this.#end(new Error(`The server has ended: ${signal ?? code ?? ""}`)));
  }

  get #streams(): { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream } {
    const { stdin, stdout } = this.#child;
    if (stdin === null || stdout === null) throw new Error("A child process without pipes.");
    return { stdin, stdout };
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(line: string): void {
    this.#streams.stdin.write(`${line}\n`);
  }

  /** The next line that the process prints. */
  async next(): Promise<string> {
    const line = this.#unread.shift();
    if (line !== undefined) return line;
    if (this.#ended !== undefined) throw this.#ended;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async ask(line: string): Promise<string> {
    this.send(line);
    return this.next();
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }

  #end(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
