import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const news = hub.topic<{ title: string }>("news");
await news.publish({ title: "Comet returns" });

export const server = createServer(nodeHandler(hub)).listen(process.env["PORT"] ?? 4000);
