import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const channel = createChannel();

export function say(text: string): void {
  channel.broadcast({ text }, "said");
}

export const server = createServer(async (request, response) => {
  channel.register(await createSession(request, response));
}).listen(process.env["PORT"] ?? 4000);
