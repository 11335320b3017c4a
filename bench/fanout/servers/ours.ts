/**
 * comet-sockets on node:http, with all its defaults, its log and its heartbeats. The client chooses the wire. Arguments: how many
 * messages are published before any client connects, for resuming; their bytes; and the folder of another build than this checkout's.
 */
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { messages } from "../messages.ts";
import { loadBuild, ownDist } from "./build.ts";
import { host, listenOptions } from "./host.ts";

const [fill = "0", bytes = "100", dist] = process.argv.slice(2);

const { Hub, handlerOf } = await loadBuild(dist === undefined ? ownDist : pathToFileURL(`${dist}/`));
const hub = new Hub();
const topic = hub.topic<string>("bench");
for (const message of messages(Number(fill), Number(bytes), 0)) await topic.publish(message);

const server = createServer(handlerOf(hub));
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) void topic.publish(message);
    },
    count: () => hub.stats().connections,
  });
});
