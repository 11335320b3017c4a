import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

export const hub = new Hub({
  stallMs: 60_000,
  topics: (name) => {
    if (name === "orders") return { overflow: "resume", log: { maxEntries: 10_000, maxBytes: 16_777_216 } };
    if (name === "camera") return { overflow: "skip", log: { maxEntries: 100 } };
    if (name === "prices") return { overflow: "latest" };
    return false;
  },
});
export const server = createServer(nodeHandler(hub)).listen(process.env["PORT"] ?? 4000);
