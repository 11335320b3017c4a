/** The server of the soak `restart`: one process with a hub on a SQLite file, told what to do over IPC. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { nodeHandler } from "../../../src/adapters/node/index.ts";
import { sqliteBroker } from "../../../src/brokers/sqlite/index.ts";
import { Hub } from "../../../src/index.ts";
import { serveCalls } from "./child.ts";

/** Numbers to publish, one after the other. */
export interface CountOrder {
  readonly from: number;
  readonly to: number;
}

const errors: string[] = [];
let hub: Hub | undefined;

/** @param path The file of the topics. */
async function open(path: string): Promise<void> {
  hub = new Hub({ broker: await sqliteBroker({ path }), onError: (error) => errors.push(String(error)) });
}

/** @param port 0 for any. */
async function listen(port: number): Promise<number> {
  const server = createServer(nodeHandler(hub as Hub));
  await new Promise<void>((resolve) => server.listen({ port, host: "127.0.0.1", backlog: 2048 }, resolve));
  return (server.address() as AddressInfo).port;
}

async function publish({ from, to }: CountOrder): Promise<void> {
  const sent: Promise<string>[] = [];
  for (let number = from; number < to; number += 1) sent.push((hub as Hub).topic("t").publish(number));
  await Promise.all(sent);
}

serveCalls({
  open,
  listen,
  publish,
  close: (drainMs: number) => (hub as Hub).close({ drainMs }),
  errors: () => errors,
});
