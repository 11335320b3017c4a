/** comet-sockets on node:http2 in clear text, with all its defaults. The client chooses the wire. */
import { createServer } from "node:http2";
import { loadBuild, ownDist } from "./build.ts";
import { host, listenOptions } from "./host.ts";

const { Hub, handlerOf } = await loadBuild(ownDist);
const hub = new Hub();
const topic = hub.topic<string>("bench");

const server = createServer(handlerOf(hub));
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) void topic.publish(message);
    },
    count: () => hub.stats().connections,
  });
});
