/**
 * The server under test, on Node, Bun or Deno: `server.ts <way>`. It obeys lines, as host.ts says. The hub has all its defaults.
 */
import { createServer } from "node:http";
import type { BunServerLike } from "../../dist/adapters/bun/index.js";
import type { DenoInfoLike } from "../../dist/adapters/deno/index.js";
import { Hub } from "../../dist/index.js";
import { sseFrame, sseHeaders } from "../fanout/servers/frame.ts";
import { host, listenOptions, type Hosted } from "../fanout/servers/host.ts";
import type { Way } from "./ways.ts";

/** A server that has no port yet: it answers requests, or upgrades them. */
interface Served extends Hosted {
  readonly fetch: (request: Request, platform: never) => Response | Promise<Response>;
}

interface BunSocket {
  subscribe(topic: string): void;
}

interface BunServer extends BunServerLike {
  readonly port: number;
  upgrade(request: Request): boolean;
  publish(topic: string, data: string): number;
}

interface BunLike {
  serve(options: object): BunServer;
}

interface DenoLike {
  serve(options: object, handler: (request: Request, info: never) => Response | Promise<Response>): unknown;
  upgradeWebSocket(request: Request): { readonly socket: globalThis.WebSocket; readonly response: Response };
}

const { Bun, Deno } = globalThis as { readonly Bun?: BunLike; readonly Deno?: DenoLike };
const way = process.argv[2] as Way;

if (Bun !== undefined) await serveBun(Bun);
else if (Deno !== undefined) await serveDeno(Deno);
else await serveNode();

async function serveNode(): Promise<void> {
  if (way === "write") {
    await import("../fanout/servers/bare-write.ts");
    return;
  }
  if (way === "websocket") {
    const { WebSocket, WebSocketServer } = await import("ws");
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    server.listen(listenOptions, () => {
      const publish = (all: readonly string[]): void => {
        for (const message of all) {
          const data = Buffer.from(message);
          for (const client of sockets.clients) {
            if (client.readyState === WebSocket.OPEN) client.send(data, { binary: false });
          }
        }
      };
      host(server, { publish, count: () => sockets.clients.size });
    });
    return;
  }
  if (way === "adapter") {
    const { nodeHandler } = await import("../../dist/adapters/node/index.js");
    const { hub, hosted } = hubbed();
    const server = createServer((request, response) => void nodeHandler(hub)(request, response));
    server.listen(listenOptions, () => host(server, hosted));
    return;
  }
  const { createAdaptorServer } = await import("@hono/node-server");
  const { fetch, ...hosted } = way === "fetch" ? byFetch() : byStreams();
  const server = createAdaptorServer({ fetch: (request: Request) => fetch(request, undefined as never), createServer });
  server.listen(listenOptions, () => host(server, hosted));
}

async function serveBun(bun: BunLike): Promise<void> {
  const options = { port: 0, hostname: listenOptions.host };
  if (way === "websocket") {
    let clients = 0;
    const server = bun.serve({
      ...options,
      fetch: (request: Request, self: BunServer) =>
        self.upgrade(request) ? undefined : new Response("", { status: 400 }),
      websocket: {
        open: (socket: BunSocket) => {
          clients += 1;
          socket.subscribe("bench");
        },
        close: () => (clients -= 1),
        message: () => undefined,
      },
    });
    const publish = (all: readonly string[]): void => {
      for (const message of all) server.publish("bench", message);
    };
    hostOn(server.port, { publish, count: () => clients });
    return;
  }
  const { fetch, ...hosted } = way === "adapter" ? await byBun() : way === "fetch" ? byFetch() : byStreams();
  hostOn(bun.serve({ ...options, idleTimeout: 0, fetch }).port, hosted);
}

async function serveDeno(deno: DenoLike): Promise<void> {
  const { fetch, ...hosted } =
    way === "websocket"
      ? bySockets(deno)
      : way === "adapter"
        ? await byDeno()
        : way === "fetch"
          ? byFetch()
          : byStreams();
  const onListen = ({ port }: { readonly port: number }): void => hostOn(port, hosted);
  deno.serve({ port: 0, hostname: listenOptions.host, onListen }, fetch);
}

function hostOn(port: number, hosted: Hosted): void {
  host({ address: () => ({ address: listenOptions.host, family: "IPv4", port }) }, hosted);
}

function hubbed(): { readonly hub: Hub; readonly hosted: Hosted } {
  const hub = new Hub();
  const topic = hub.topic<string>("bench");
  const publish = (all: readonly string[]): void => {
    for (const message of all) void topic.publish(message);
  };
  return { hub, hosted: { publish, count: () => hub.stats().connections } };
}

function byFetch(): Served {
  const { hub, hosted } = hubbed();
  return { ...hosted, fetch: (request, platform) => hub.fetch(request, platform) };
}

async function byBun(): Promise<Served> {
  const { bunHandler } = await import("../../dist/adapters/bun/index.js");
  const { hub, hosted } = hubbed();
  const handler = bunHandler(hub);
  return { ...hosted, fetch: (request, server: BunServerLike) => handler(request, server) };
}

async function byDeno(): Promise<Served> {
  const { denoHandler } = await import("../../dist/adapters/deno/index.js");
  const { hub, hosted } = hubbed();
  const handler = denoHandler(hub);
  return { ...hosted, fetch: (request, info: DenoInfoLike) => handler(request, info) };
}

/** The control: a stream for each client. The bytes are made once, and enqueued message by message. */
function byStreams(): Served {
  const controllers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  const encoder = new TextEncoder();
  let id = 0;
  return {
    fetch: () => {
      let own: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          own = controller;
          controllers.add(controller);
          // The head leaves with the first bytes.
          controller.enqueue(encoder.encode(":\n\n"));
        },
        cancel: () => {
          if (own !== undefined) controllers.delete(own);
        },
      });
      return new Response(body, { headers: sseHeaders });
    },
    publish: (all) => {
      for (const message of all) {
        const frame = encoder.encode(sseFrame(message, (id += 1)));
        for (const controller of controllers) controller.enqueue(frame);
      }
    },
    count: () => controllers.size,
  };
}

/** Deno has no broadcast. */
function bySockets(deno: DenoLike): Served {
  const sockets = new Set<globalThis.WebSocket>();
  return {
    fetch: (request) => {
      const { socket, response } = deno.upgradeWebSocket(request);
      socket.onopen = () => void sockets.add(socket);
      socket.onclose = () => void sockets.delete(socket);
      return response;
    },
    publish: (all) => {
      for (const message of all) for (const socket of sockets) socket.send(message);
    },
    count: () => sockets.size,
  };
}
