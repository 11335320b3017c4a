import { createServer, type ServerResponse } from "node:http";

const clients = new Set<ServerResponse>();

export function setPrice(symbol: string, cents: number): void {
  const data = JSON.stringify({ symbol, cents });
  for (const client of clients) client.write(`event: price\ndata: ${data}\n\n`);
}

export const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.flushHeaders();
  clients.add(response);
  request.on("close", () => clients.delete(response));
}).listen(process.env["PORT"] ?? 4000);
