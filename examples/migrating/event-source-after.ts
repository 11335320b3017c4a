import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const prices = hub.topic<{ symbol: string; cents: number }>("prices");

export async function setPrice(symbol: string, cents: number): Promise<void> {
  await prices.publish({ symbol, cents }, { event: "price" });
}

export const server = createServer(nodeHandler(hub, { topics: ["prices"] })).listen(process.env["PORT"] ?? 4000);
