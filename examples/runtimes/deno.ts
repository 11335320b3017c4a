import { Hub } from "comet-sockets";
import { denoHandler } from "comet-sockets/deno";

const hub = new Hub();
const live = denoHandler(hub);

Deno.serve({ port: 4000 }, async (request, info) => {
  if (new URL(request.url).pathname === "/live") return live(request, info);
  await hub.topic("news").publish({ title: "Comet returns" });
  return new Response("Published.");
});
