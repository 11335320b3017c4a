import { eventSource, get, socketIo, sockJs, webSocket, type Greeting } from "./clients/greeting.ts";
import { nchanUnavailable, startNchan } from "./servers/nchan.ts";
import { sendLoopUnavailable, startSendLoop } from "./servers/send-loop.ts";
import { startNodeServer } from "./servers/server.ts";
import { uringUnavailable } from "./servers/uring.ts";
import { topicVariants } from "./topic-variants.ts";
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

/**
 * On HTTP/2, in clear text as everything here. With a connection for each stream, as a server sees browsers: each user has
 * one connection, with one stream of messages on it. With a hundred streams on each, as behind a proxy that speaks HTTP/2 to its servers.
 */
function onHttp2(kind: "control" | "ours", file: string, title: string, path: string): readonly Variant[] {
  return [1, 100].map((streamsPerConnection) => ({
    name: streamsPerConnection === 1 ? file : `${file}-shared`,
    title: `${title}, ${streamsPerConnection === 1 ? "a connection each" : `${streamsPerConnection} a connection`}`,
    kind,
    isHttp2: true,
    start: (core) => startNodeServer(`${file}.ts`, [], core),
    greeting: () => ({ path, accept: "text/event-stream", streamsPerConnection }),
  }));
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
  {
    ...ours("ours-uring", "sse", "text/event-stream"),
    title: "comet-sockets, sse, io_uring",
    unavailable: uringUnavailable,
    start: (core) => startNodeServer("ours-uring.ts", [], core),
  },
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
  ...onHttp2("ours", "ours-h2", "comet-sockets, sse, HTTP/2", "/live?topic=bench&wire=sse"),
  ...onHttp2("control", "h2-write", "node:http2: stream.write", "/"),
  ...topicVariants,
];

/** @throws {RangeError} where there is none of that name. */
export function variantNamed(name: string): Variant {
  const variant = catalogue.find((one) => one.name === name);
  if (variant === undefined) {
    throw new RangeError(`No variant ${name}: there are ${catalogue.map((one) => one.name).join(", ")}.`);
  }
  return variant;
}
