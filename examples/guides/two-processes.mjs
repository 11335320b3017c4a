import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { redisBroker } from "comet-sockets/redis";
import { createClient } from "redis";

const client = createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" });
const hub = new Hub({ broker: await redisBroker({ client }) });
const news = hub.topic("news");

const live = nodeHandler(hub);
const port = process.env.PORT ?? 4000;
createServer(async (request, response) => {
  if (request.url.startsWith("/live?")) return live(request, response);
  try {
    response.end(`${await news.publish({ from: `port ${port}` })}\n`);
  } catch (error) {
    response.writeHead(503).end(`${error.code}\n`);
  }
}).listen(port, () => console.log(`http://localhost:${port}`));
