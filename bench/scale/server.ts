/**
 * A hub on node:http with many topics, `t0`, `t1` and so on. Argument: their number. Several messages that are published together go to one
 * topic each. Its options are the defaults, except for the logs: they keep 10 messages each, so that memory is that of the connections.
 */
import { createServer } from "node:http";
import { host, listenOptions } from "../fanout/servers/host.ts";
import { loadBuild, ownDist } from "../fanout/servers/build.ts";

const { Hub, handlerOf } = await loadBuild(ownDist);
const hub = new Hub({ log: { maxEntries: 10 } });
const topics = Array.from({ length: Number(process.argv[2]) }, (_, i) => hub.topic<string>(`t${i}`));

const server = createServer(handlerOf(hub));
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const [i, message] of all.entries()) void topics[i]?.publish(message);
    },
    count: () => hub.stats().connections,
  });
});
