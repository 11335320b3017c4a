/**
 * comet-sockets on node:http, where each client follows a topic of its own: a message goes to every topic, as in a hub of many small
 * rooms. Argument: the folder of another build than this checkout's.
 */
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import type { Topic } from "../../../dist/index.js";
import { loadBuild, ownDist } from "./build.ts";
import { host, listenOptions } from "./host.ts";

const [dist] = process.argv.slice(2);
const { Hub, handlerOf } = await loadBuild(dist === undefined ? ownDist : pathToFileURL(`${dist}/`));
const topics: Topic<string>[] = [];
const hub = new Hub({
  onOpen: (subscription) => {
    for (const name of subscription.topics) topics.push(hub.topic<string>(name));
  },
});

const server = createServer(handlerOf(hub));
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) for (const topic of topics) void topic.publish(message);
    },
    count: () => hub.stats().connections,
  });
});
