import { Hub } from "comet-sockets";
import { bunHandler } from "comet-sockets/bun";

const hub = new Hub();
const live = bunHandler(hub);

Bun.serve({
  port: 4000,
  fetch: async (request, server) => {
    if (new URL(request.url).pathname === "/live") return live(request, server);
    await hub.topic("news").publish({ title: "Comet returns" });
    return new Response("Published.");
  },
});
