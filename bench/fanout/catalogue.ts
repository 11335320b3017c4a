import { eventSource, get, socketIo, sockJs, webSocket, type Greeting } from "./clients/greeting.ts";
import { nchanUnavailable, startNchan } from "./servers/nchan.ts";
import { sendLoopUnavailable, startSendLoop } from "./servers/send-loop.ts";
import { startNodeServer } from "./servers/server.ts";
import type { Variant } from "./variant.ts";

function ours(name: string, wire: string, accept: string): Variant {
  return {
    name,
    title: `comet-sockets, ${wire}`,
    kind: "ours",
    start: (core) => startNodeServer("ours.ts", [], core),
    greeting: () => get(`/live?topic=bench&wire=${wire}`, accept),
  };
}

function onNode(
  kind: "control" | "peer",
  name: string,
  title: string,
  greeting: () => Greeting = () => eventSource(),
): Variant {
  return { name, title, kind, start: (core) => startNodeServer(`${name}.ts`, [], core), greeting };
}

/** Everything that is measured. How each is configured stands at the head of its file in servers/. */
export const catalogue: readonly Variant[] = [
  {
    name: "c",
    title: "C, send() in a loop",
    kind: "limit",
    unavailable: sendLoopUnavailable,
    start: startSendLoop,
    greeting: () => eventSource(),
  },
  ours("ours", "sse", "text/event-stream"),
  ours("ours-ndjson", "ndjson", "application/x-ndjson"),
  ours("ours-comet", "comet", "text/html"),
  onNode("control", "raw-socket", "net: socket.write"),
  onNode("control", "bare-write", "node:http: res.write"),
  {
    name: "nchan",
    title: "nginx + nchan",
    kind: "peer",
    unavailable: nchanUnavailable,
    start: startNchan,
    greeting: () => eventSource("/live"),
  },
  onNode("peer", "ws", "ws", () => webSocket()),
  onNode("peer", "better-sse", "better-sse"),
  onNode("peer", "socket-io", "Socket.IO, websocket", socketIo),
  onNode("peer", "sockjs", "SockJS, xhr_streaming", sockJs),
  onNode("peer", "hono", "Hono streamSSE"),
  onNode("peer", "fastify-sse", "@fastify/sse"),
];

/** @throws {RangeError} where there is none of that name. */
export function variantNamed(name: string): Variant {
  const variant = catalogue.find((one) => one.name === name);
  if (variant === undefined) {
    throw new RangeError(`No variant ${name}: there are ${catalogue.map((one) => one.name).join(", ")}.`);
  }
  return variant;
}
