import { fileURLToPath } from "node:url";
import { LineProcess } from "../../support/line-process.ts";
import { pinned } from "../../support/pinned.ts";
import type { Usage } from "../../support/usage.ts";

/** A server under test, as a trial sees it. */
export interface Server {
  readonly port: number;
  /** Sends messages to everybody, in one turn as far as the server has turns. */
  publish(count: number, bytes: number, firstNumber: number): void;
  /** How many clients are there; `undefined` where the server does not say. */
  count(): Promise<number | undefined>;
  /** What all its processes have used so far. */
  usage(): Promise<Usage>;
  /** The same, after a forced collection where there is a collector. */
  collectedUsage(): Promise<Usage>;
  stop(): void;
}

/** Starts a server that obeys lines, as host.ts says, on one core. */
export async function startLineServer(command: readonly string[], core: number): Promise<Server> {
  const process = new LineProcess(pinned(core, command));
  return {
    port: Number(await process.next()),
    publish: (count, bytes, firstNumber) => process.send(`publish ${count} ${bytes} ${firstNumber}`),
    count: async () => Number(await process.ask("count")),
    usage: async () => JSON.parse(await process.ask("usage")) as Usage,
    collectedUsage: async () => JSON.parse(await process.ask("gc")) as Usage,
    stop: () => process.stop(),
  };
}

/** Starts a server of this folder, by the name of its file, in this same Node. */
export async function startNodeServer(file: string, args: readonly string[], core: number): Promise<Server> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  return startLineServer([process.execPath, "--expose-gc", script, ...args], core);
}
