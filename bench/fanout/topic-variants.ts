import { get, type Greeting } from "./clients/greeting.ts";
import { startNodeServer } from "./servers/server.ts";
import { uringUnavailable } from "./servers/uring.ts";
import type { Variant } from "./variant.ts";

/** Follows a topic that no other client of the trial follows. */
function topicOfItsOwn(): Greeting {
  let opened = 0;
  const request = (): string => get(`/live?topic=t${(opened += 1)}&wire=sse`, "text/event-stream").request();
  return { request, steps: get("/", "text/event-stream").steps };
}

function perTopic(kind: "control" | "ours", name: string, title: string): Variant {
  const start = (core: number): ReturnType<Variant["start"]> => startNodeServer(`${name}.ts`, [], core);
  return { name, title, kind, isPerTopic: true, start, greeting: topicOfItsOwn };
}

/** The servers of many topics with one subscriber each. */
export const topicVariants: readonly Variant[] = [
  perTopic("ours", "ours-topics", "comet-sockets, a topic each"),
  {
    ...perTopic("ours", "ours-topics-uring", "comet-sockets, a topic each, io_uring"),
    unavailable: uringUnavailable,
  },
  perTopic("control", "raw-topics", "net: socket.write, bytes of its own each"),
];
