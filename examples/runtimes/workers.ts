import { DurableObject } from "cloudflare:workers";
import { cometObject } from "comet-sockets/workers";

interface Env {
  readonly LIVE: DurableObjectNamespace<Live>;
}

/** One object for each room: its clients, what is published to it, and its history. */
export class Live extends cometObject<typeof DurableObject, Env>(DurableObject, {
  hub: { history: { maxAgeMs: 86_400_000 } },
}) {}

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const room = env.LIVE.get(env.LIVE.idFromName(searchParams.get("room") ?? "lobby"));
    if (pathname === "/live") return room.fetch(request);
    await room.publish("news", { title: "Comet returns" });
    return new Response("Published.");
  },
} satisfies ExportedHandler<Env>;
