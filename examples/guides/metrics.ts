import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const gauges = ["lagging", "topics", "askedTopics", "logEntries", "logBytes"] as const;
const counters = ["published", "delivered", "skipped", "opened", "recycled", "rejected"] as const;

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The numbers of the hub in the text format of Prometheus. */
function metrics(): string {
  const stats = hub.stats();
  const wires = Object.entries(stats.byWire).map(([wire, count]) => `comet_connections{wire="${wire}"} ${count}`);
  return [
    "# TYPE comet_connections gauge",
    ...wires,
    ...gauges.flatMap((name) => [`# TYPE comet_${snake(name)} gauge`, `comet_${snake(name)} ${stats[name]}`]),
    ...counters.flatMap((name) => [`# TYPE comet_${name}_total counter`, `comet_${name}_total ${stats[name]}`]),
    "",
  ].join("\n");
}

const live = nodeHandler(hub);
export const server = createServer((request, response) => {
  if (request.url === "/metrics") response.setHeader("content-type", "text/plain; version=0.0.4").end(metrics());
  else void live(request, response);
}).listen(process.env["PORT"] ?? 4000);
