/**
 * Hub processes on one port, by `node:cluster`, joined by an engine. The first process only hands out connections. It says which port
 * it is, and answers each line on stdin by what each process has used so far, itself first.
 */
import cluster from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import { Hub } from "../../../dist/index.js";
import { nodeHandler } from "../../../dist/adapters/node/index.js";
import { freePort } from "../../../test/support/free-port.ts";
import { listenOptions } from "../../fanout/servers/host.ts";
import { ownUsage, type Usage } from "../../support/usage.ts";
import { joining, type Engine } from "../engines.ts";

/** What one process has used, and how many clients it has. */
export interface MemberUsage extends Usage {
  readonly connections: number;
}

const [engine = "memory", url = "", count = "1"] = process.argv.slice(2) as [Engine?, string?, string?];

async function lead(): Promise<void> {
  const port = await freePort();
  const workers = Array.from({ length: Number(count) }, () => cluster.fork({ BENCH_PORT: port }));
  await Promise.all(workers.map((worker) => once(worker, "listening")));
  const ask = async (): Promise<void> => {
    const answers = workers.map(async (worker) => {
      worker.send("usage");
      const [usage] = (await once(worker, "message")) as [MemberUsage];
      return usage;
    });
    console.log(JSON.stringify([{ ...ownUsage(), connections: 0 }, ...(await Promise.all(answers))]));
  };
  process.stdin.on("data", () => void ask());
  process.stdin.on("end", () => process.exit());
  console.log(port);
}

async function work(): Promise<void> {
  const hub = new Hub(await joining(engine, url));
  process.on("message", () => process.send?.({ ...ownUsage(), connections: hub.stats().connections }));
  // Whatever ends the first process, its pipe ends with it.
  process.on("disconnect", () => process.exit());
  const server = createServer(nodeHandler(hub));
  server.listen({ ...listenOptions, port: Number(process.env["BENCH_PORT"]) });
}

await (cluster.isPrimary ? lead() : work());
