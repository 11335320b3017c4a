/**
 * Several processes on one port, each with a hub, and Redis between them: whatever is published through one reaches the clients of all.
 *
 *     redis-server &
 *     REDIS_URL=redis://127.0.0.1:6379 PORT=4000 WORKERS=4 node examples/cluster.ts
 *     curl -N 'http://127.0.0.1:4000/events?topic=news&wire=sse' &
 *     curl --data '{"title":"Comet returns"}' 'http://127.0.0.1:4000/news?id=1'
 *
 * SIGHUP replaces the workers one by one, SIGTERM ends everything, and a worker that dies is replaced.
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { availableParallelism } from "node:os";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { CometError, Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { redisBroker } from "comet-sockets/redis";
import { createClient } from "redis";

const { PORT = "4000", WORKERS, REDIS_URL = "redis://127.0.0.1:6379", DRAIN_MS = "5000" } = process.env;

/** Keeps so many workers going, and knows nothing of topics. */
function lead(): void {
  const wanted = Number(WORKERS ?? availableParallelism());
  const workers = (): Worker[] =>
    Object.values(cluster.workers ?? {}).filter((one) => one?.isDead() === false) as Worker[];
  let isEnding = false;
  let restarting: Promise<void> = Promise.resolve();

  const keep = (): void => {
    while (!isEnding && workers().length < wanted) cluster.fork();
  };
  // The new one first, and if it does not come up, the old ones stay.
  const replace = async (old: Worker): Promise<void> => {
    const worker = cluster.fork();
    await Promise.race([once(worker, "listening"), once(worker, "exit")]);
    if (worker.isDead()) throw new Error("A new worker has not started.");
    const gone = once(old, "exit");
    old.process.kill("SIGTERM");
    if (!old.isDead()) await gone;
  };
  const restart = async (): Promise<void> => {
    for (const old of workers()) if (!isEnding && !old.isDead()) await replace(old);
    console.log("All workers are new.");
  };

  // One that dies as soon as it starts, as without Redis, is not started again and again at once.
  cluster.on("exit", () => void sleep(500).then(keep));
  process.on("SIGHUP", () => {
    restarting = restarting.then(restart).catch(console.error);
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      isEnding = true;
      for (const worker of workers()) worker.process.kill("SIGTERM");
    });
  }
  keep();
}

/** One process that serves. */
async function work(): Promise<void> {
  const broker = await redisBroker({ client: createClient({ url: REDIS_URL }) });
  const hub = new Hub({ broker, topics: (name) => name === "news" });
  const news = hub.topic("news");

  // With an id, whoever has heard nothing may send a message again: it is published once. Who may publish is yours to say.
  const publish = async (request: IncomingMessage, response: ServerResponse, id: string | null): Promise<void> => {
    try {
      const message = (await json(request)) as { title: string };
      response.end(await news.publish(message, id === null ? {} : { messageId: id }));
    } catch (error) {
      response.writeHead(error instanceof CometError && error.code !== "ERR_MESSAGE" ? 503 : 400).end();
    }
  };
  const live = nodeHandler(hub);
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    response.setHeader("x-worker", process.pid);
    if (pathname === "/events") void live(request, response);
    else if (pathname === "/news" && request.method === "POST") void publish(request, response, searchParams.get("id"));
    else response.writeHead(404).end();
  });
  server.listen(PORT);

  const end = async (): Promise<void> => {
    // The port first: who comes from now on is served by the other workers, and those who are here are sent there one by one.
    const closed = once(server, "close");
    server.close();
    await hub.close({ drainMs: Number(DRAIN_MS) });
    server.closeIdleConnections();
    await Promise.race([closed, sleep(1000)]);
    process.exit();
  };
  let ending: Promise<void> | undefined;
  process.on("SIGTERM", () => {
    ending ??= end();
  });
  // Ctrl+C comes to all of them: the first process says what it means.
  process.on("SIGINT", () => undefined);
  process.on("disconnect", () => process.exit());
}

if (cluster.isPrimary) lead();
else await work();
