/** The program of the server of the soak "forever": a hub, a page that follows it, and a publisher that is not to leave it behind. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Hub, type HubOptions } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { serveCalls } from "./child.ts";
import { sleep } from "./clock.ts";

export interface ForeverSite {
  /** What the page runs. */
  readonly script: string;
  readonly hub: HubOptions;
}

export interface ForeverOrder {
  readonly events: number;
  /** One event in each turn of the event loop, so many a second; 0: as many in a turn as the page has room for. */
  readonly perSecond: number;
}

export interface ForeverState {
  /** Events that were published, and how many of them the page says it has had. */
  readonly published: number;
  readonly had: number;
  /** Streams that were opened: one for each iframe or document. */
  readonly opened: number;
  readonly ends: { readonly [reason: string]: number };
  readonly errors: readonly string[];
  readonly cpuMs: number;
}

/** How many events the publisher may be before the page; the log must hold more. */
const MOST_AHEAD = 20_000;
/** How many events are published in one turn of a flood. */
const BURST = 100;
/** An event is some hundred bytes as JSON. */
const text = "x".repeat(80);

const errors: string[] = [];
const ends: Record<string, number> = {};
let hub = new Hub();
let published = 0;
let had = 0;
let opened = 0;

async function listen({ script, hub: options }: ForeverSite): Promise<number> {
  hub = new Hub({
    ...options,
    onOpen: () => (opened += 1),
    onClose: (_, reason) => (ends[reason] = (ends[reason] ?? 0) + 1),
    onError: (error) => errors.push(String(error)),
  });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://soak.test");
    if (pathname === "/events") void nodeHandler(hub)(request, response);
    else if (pathname === "/had") take(request, response);
    else answer(response, pathname, script);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function take(request: IncomingMessage, response: ServerResponse): void {
  request.setEncoding("utf8").on("data", (body: string) => (had = Math.max(had, Number(body))));
  request.on("end", () => response.writeHead(204).end());
}

function answer(response: ServerResponse, pathname: string, script: string): void {
  const isScript = pathname === "/page.js";
  response.setHeader("content-type", `text/${isScript ? "javascript" : "html"}; charset=utf-8`);
  const page = `<!doctype html><link rel="icon" href="data:,"><title>For ever</title><body>${" ".repeat(1024)}<script src="/page.js"></script>`;
  response.end(isScript ? script : page);
}

/** Resolves once all is published, to how many milliseconds that took. */
async function publish({ events, perSecond }: ForeverOrder): Promise<number> {
  const topic = hub.topic("a");
  const start = performance.now();
  let before = start;
  let due = 0;
  while (published < events) {
    const now = performance.now();
    // What a machine is late is made good at no more than twice the rate.
    due += ((now - before) / 1000) * perSecond;
    const most = perSecond === 0 ? BURST : Math.ceil((Math.min(now - before, 10) / 1000) * 2 * perSecond);
    before = now;
    const wanted = perSecond === 0 ? most : Math.min(Math.floor(due) - published, most);
    const count = Math.min(wanted, events - published, had + MOST_AHEAD - published);
    for (let i = 0; i < count; i += 1) {
      published += 1;
      void topic.publish({ n: published, text });
      // The hub flushes in the next turn, before this goes on.
      if (perSecond > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await (perSecond > 0 || count <= 0 ? sleep(1) : new Promise((resolve) => setImmediate(resolve)));
  }
  return performance.now() - start;
}

serveCalls({
  listen,
  publish,
  state: (): ForeverState => {
    const { user, system } = process.cpuUsage();
    return { published, had, opened, ends, errors, cpuMs: (user + system) / 1000 };
  },
  followers: () => hub.stats().connections,
});
