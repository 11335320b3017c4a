// A hub in a process of its own, whose clients name their identity: `node presence-program.ts <url of Redis> <HubOptions.presence>`.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "redis";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { Hub } from "../../src/index.ts";
import type { PresenceNews } from "./presence-process.ts";

const [url = "", presence = "{}"] = process.argv.slice(2);
const tell = (news: PresenceNews): void => void process.send?.(news);

const hub = new Hub({
  broker: await redisBroker({ client: createClient({ url }) }),
  presence: JSON.parse(presence) as object,
  onError: () => undefined,
});
const room = hub.topic("room");

const server = createServer((request, response) => {
  const { searchParams, pathname } = new URL(request.url ?? "", "http://localhost");
  if (pathname === "/presence") {
    void room.presence().then(({ subscribers, identities }) => {
      response.end(JSON.stringify({ ...Object.fromEntries(identities), subscribers }));
    });
  } else {
    const identity = searchParams.get("as");
    void nodeHandler(hub, { topics: ["room"], ...(identity === null ? {} : { identity }) })(request, response);
  }
}).listen(0, "127.0.0.1");
await once(server, "listening");

process.on("message", (message) => {
  if (message === "close") {
    void hub.close({ drainMs: 0 }).then(() => process.exit());
  } else {
    void (async () => {
      await room.presence();
      tell({ watching: true });
      for await (const change of room.presenceChanges()) tell({ change });
    })();
  }
});
process.on("disconnect", () => process.exit());
tell({ port: (server.address() as AddressInfo).port });
