import { existsSync, readFileSync } from "node:fs";
import { LineProcess } from "../../support/line-process.ts";
import { pinned } from "../../support/pinned.ts";
import { usageBetween, type Usage } from "../../support/usage.ts";
import { processFile, startEngine, type Engine, type EngineServer } from "../engines.ts";

/** What every trial is told. */
export interface TrialSpec {
  readonly engine: Engine;
  readonly cores: readonly [measured: number, others: number];
}

/** A process of processes/, which obeys lines. */
export class WorkerProcess {
  readonly #lines: LineProcess;
  port = 0;

  constructor(command: readonly [string, ...string[]]) {
    this.#lines = new LineProcess(command);
  }

  async ready(): Promise<this> {
    const { port } = JSON.parse(await this.#lines.next()) as { port: number };
    this.port = port;
    return this;
  }

  /** One at a time: answers carry no name. */
  async ask<Answer>(command: string, spec: object = {}): Promise<Answer> {
    return JSON.parse(await this.#lines.ask(`${command} ${JSON.stringify(spec)}`)) as Answer;
  }

  /** For how long it was ready to run, and another process had its core, in microseconds; 0 where the kernel does not say. */
  waitedUs(): number {
    const file = `/proc/${this.#lines.pid}/schedstat`;
    return existsSync(file) ? Number(readFileSync(file, "utf8").split(" ")[1]) / 1000 : 0;
  }

  stop(): void {
    this.#lines.stop();
  }
}

/** The server process of a trial, and the processes that use it. */
export class Scene {
  readonly server: EngineServer;
  readonly #engine: Engine;
  readonly #workers: WorkerProcess[] = [];

  constructor(engine: Engine, server: EngineServer) {
    this.#engine = engine;
    this.server = server;
  }

  /** Starts `hub.ts` or `bare.ts`, on a core if one is given. */
  async start(file: string, core?: number): Promise<WorkerProcess> {
    const command = [process.execPath, processFile(file), this.#engine, this.server.url] as const;
    const worker = new WorkerProcess(core === undefined ? command : pinned(core, command));
    this.#workers.push(worker);
    return worker.ready();
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.stop();
    await this.server.close();
  }
}

/** What some work has cost: CPU time in microseconds, and the time that it took. */
export interface Spent {
  readonly tookUs: number;
  /** This process, which is the clients. */
  readonly loadUs: number;
  /** The engine's server. */
  readonly serverUs: number;
  /** Each of the processes that were named. */
  readonly processes: readonly Usage[];
  /** For how much of the time the first of them waited for its core, 0 to 1. */
  readonly waitedShare: number;
}

/** Does some work, and tells what it has cost. */
export async function spentBy<Result>(
  scene: Scene,
  processes: readonly WorkerProcess[],
  work: () => Promise<Result>,
): Promise<Spent & { readonly result: Result }> {
  const usages = (): Promise<Usage[]> => Promise.all(processes.map((one) => one.ask<Usage>("usage")));
  const before = await usages();
  const waitedBefore = processes[0]?.waitedUs() ?? 0;
  const serverBefore = scene.server.cpuUs();
  const own = process.cpuUsage();
  const start = performance.now();
  const result = await work();
  const tookUs = (performance.now() - start) * 1000;
  const { user, system } = process.cpuUsage(own);
  const serverUs = scene.server.cpuUs() - serverBefore;
  const waitedUs = (processes[0]?.waitedUs() ?? 0) - waitedBefore;
  const after = await usages();
  return {
    result,
    tookUs,
    loadUs: user + system,
    serverUs,
    waitedShare: waitedUs / tookUs,
    processes: after.map((usage, i) => usageBetween(before[i] as Usage, usage)),
  };
}

export function totalUs({ user, system }: Usage): number {
  return user + system;
}

/** What a trial is told, on the command line. */
export function readSpec(): unknown {
  return JSON.parse(process.argv[2] ?? "");
}

/**
 * Runs a trial: starts the engine's server, and prints what `trial` finds as a line of JSON. Everything is stopped and the process ends,
 * whatever happens.
 */
export async function inTrial(engine: Engine, trial: (scene: Scene) => Promise<object>): Promise<void> {
  const scene = new Scene(engine, await startEngine(engine));
  let line = "";
  try {
    line = `${JSON.stringify(await trial(scene))}\n`;
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  } finally {
    await scene.close();
  }
  process.stdout.write(line, () => process.exit());
}
