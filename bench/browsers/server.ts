/**
 * The server of the benchmark in browsers: a hub with its defaults but for the size of its log, and a page that follows it. Says on stdout
 * on which two ports it listens, which are two origins to a browser, and then answers each line on stdin by a line: `usage`, `followers <topic>`,
 * `publish <topic> <count>`. Ends when stdin does. Arguments: how many events the topic `logged` has from the beginning, and the page's script.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Hub } from "../../dist/index.js";
import { nodeHandler } from "../../dist/adapters/node/index.js";
import { ownUsage } from "../support/usage.ts";

/** How many events a publisher may be before its page. So much the buffers of a connection hold, and each event stays a frame of its own. */
const MOST_AHEAD = 4000;

const [logged = "0", scriptFile = ""] = process.argv.slice(2);
const script = readFileSync(scriptFile);
let had = 0;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? "/", "http://bench.test");
  if (pathname === "/events") void handler(request, response);
  else if (pathname === "/had") {
    request.setEncoding("utf8").on("data", (body: string) => (had = Math.max(had, Number(body))));
    request.on("end", () => response.writeHead(204).end());
  } else {
    const isScript = pathname === "/page.js";
    response.setHeader("content-type", `text/${isScript ? "javascript" : "html"}; charset=utf-8`);
    const blank = " ".repeat(1024);
    response.end(
      isScript
        ? script
        : `<!doctype html><link rel="icon" href="data:,"><title>Bench</title><body>${blank}<script src="/page.js"></script>`,
    );
  }
}

const servers = [createServer(answer), createServer(answer)];
const ports: number[] = [];
for (const server of servers) {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  ports.push((server.address() as AddressInfo).port);
}
const hub = new Hub({
  log: { maxEntries: Math.max(Number(logged), 65_536), maxBytes: 2 ** 30, maxAgeMs: 2 ** 31 - 1 },
  cors: { origins: [`http://127.0.0.1:${ports[0] ?? 0}`] },
});

const handler = nodeHandler(hub);

/** An event of 100 bytes as JSON. */
function event(n: number): { readonly n: number; readonly text: string } {
  return { n, text: "x".repeat(100 - '{"n":,"text":""}'.length - String(n).length) };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

for (let n = 1; n <= Number(logged); n += 1) await hub.topic("logged").publish(event(n));

/** Publishes one event in each turn of the event loop, as long as the page keeps up. */
async function publish(name: string, count: number): Promise<void> {
  const topic = hub.topic(name);
  had = 0;
  for (let n = 1; n <= count; n += 1) {
    // Not by turns: that would take a core from the browser.
    while (n - had > MOST_AHEAD) await sleep(1);
    void topic.publish(event(n));
    // The hub flushes in the next turn, before this goes on.
    await turn();
  }
}

const commands: { readonly [name: string]: (topic: string, count: number) => unknown } = {
  usage: ownUsage,
  followers: () => hub.stats().connections,
  publish,
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name = "", topic = "", count = ""] = line.split(" ");
    void Promise.resolve(commands[name]?.(topic, Number(count))).then((found) =>
      console.log(JSON.stringify(found ?? null)),
    );
  })
  .on("close", () => process.exit());
console.log(ports.join(" "));
