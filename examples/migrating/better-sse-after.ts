import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const chat = hub.topic<{ text: string }>("chat");

export async function say(text: string): Promise<void> {
  await chat.publish({ text }, { event: "said" });
}

export const server = createServer(nodeHandler(hub, { topics: ["chat"] })).listen(process.env["PORT"] ?? 4000);
