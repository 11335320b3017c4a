/** A hub process, with all defaults: over HTTP to its clients, and alone or joined to others by an engine. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Hub } from "../../../dist/index.js";
import { nodeHandler } from "../../../dist/adapters/node/index.js";
import { listenOptions } from "../../fanout/servers/host.ts";
import { joining, type Engine } from "../engines.ts";
import { host } from "./host.ts";

const [engine = "memory", url = ""] = process.argv.slice(2) as [Engine?, string?];

const hub = new Hub(await joining(engine, url));
const server = createServer(nodeHandler(hub));
server.listen(listenOptions, () => {
  host(
    { port: (server.address() as AddressInfo).port },
    { publish: (topic, text) => hub.topic<string>(topic).publish(text) },
    { stats: () => hub.stats() },
  );
});
