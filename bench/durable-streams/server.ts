/** A server of Durable Streams, in a process of its own: `server.ts WAY BROKER`. The parent process asks it for its usage by IPC. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { DurableStreamTestServer } from "@durable-streams/server";
import { createClient } from "redis";
import { nodeHandler } from "../../dist/adapters/node/index.js";
import { redisBroker } from "../../dist/brokers/redis/index.js";
import { sqliteBroker } from "../../dist/brokers/sqlite/index.js";
import { Hub, type Broker } from "../../dist/index.js";
import { durableStreams } from "../../dist/surfaces/durable-streams/index.js";
import type { Way } from "./main.ts";

const [way, address] = process.argv.slice(2) as [Way, string];

async function brokerOf(): Promise<Broker | undefined> {
  if (way === "ours, Redis") return redisBroker({ client: createClient({ url: address }) });
  return way === "ours, SQLite" ? sqliteBroker({ path: address }) : undefined;
}

async function listen(): Promise<number> {
  if (way === "the reference server") {
    const server = new DurableStreamTestServer({ port: 0, host: "127.0.0.1" });
    return Number(new URL(await server.start()).port);
  }
  const broker = await brokerOf();
  const hub = new Hub(broker === undefined ? {} : { broker });
  const server = createServer(nodeHandler(durableStreams(hub)));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

process.send?.(await listen());
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
