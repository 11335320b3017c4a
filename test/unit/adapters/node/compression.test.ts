import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import compression from "compression";
import express, { type Express, type RequestHandler } from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler, sendChunked, type NodeHandlerOptions } from "../../../../src/adapters/node/index.ts";
import { Enumerator, type Channel } from "../../../../src/index.ts";
import { compressesAll } from "../../../support/compresses-all.ts";
import { Follower, notedHub, streams, type NotedHub } from "../../../support/hub.ts";

/** Serves a handler at `/live` of an application that `prepare` has set up, and returns its URL. */
async function serveExpress(prepare: (app: Express) => void, handler: RequestHandler): Promise<string> {
  const app = express();
  prepare(app);
  app.get("/live", handler);
  const server = createServer(app).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/live`;
}

async function serveHub(
  prepare: (app: Express) => void,
  options: NodeHandlerOptions = {},
): Promise<NotedHub & { readonly url: string }> {
  const noted = notedHub();
  const url = await serveExpress(prepare, nodeHandler(noted.hub, options));
  return { ...noted, url: `${url}?topic=a` };
}

const compressed = (app: Express): void => void app.use(compression());

/** The middleware that sets this `Cache-Control`, as `nocache()` does. */
const caching =
  (value: string): RequestHandler =>
  (_, response, next) => {
    response.set("Cache-Control", value);
    next();
  };

/** Middleware that sets its own `Cache-Control` when the head is written, too late for the hub to add anything. */
const cachingLate: RequestHandler = (_, response, next) => {
  const writeHead = response.writeHead.bind(response);
  response.writeHead = ((...args: Parameters<typeof writeHead>) => {
    response.setHeader("Cache-Control", "no-cache");
    return writeHead(...args);
  }) as typeof response.writeHead;
  next();
};

/** Expects a stream to deliver each message at once. */
async function expectAtOnce({ hub }: NotedHub, follower: Follower): Promise<void> {
  await follower.begun();
  for (let i = 1; i <= 5; i += 1) {
    await hub.topic("a").publish(i);
    await follower.has(i);
  }
}

describe.each(streams)("behind compression(), a stream on %s sends each message at once", (wire) => {
  test.each<[string, (app: Express) => void, NodeHandlerOptions]>([
    ["with the hub's own Cache-Control", compressed, {}],
    ["with the application's Cache-Control in its options", compressed, { headers: { "cache-control": "no-store" } }],
    [
      "with the application's Cache-Control on the response",
      (app) => app.use(compression(), caching("no-store, no-cache, must-revalidate, proxy-revalidate")),
      {},
    ],
    [
      "with the path excluded",
      (app) =>
        app.use(
          compression({
            filter: (request, response) => request.path !== "/live" && compression.filter(request, response),
          }),
        ),
      {},
    ],
  ])("%s", async (_, prepare, options) => {
    const served = await serveHub(prepare, options);
    const follower = await Follower.fetch(`${served.url}&wire=${wire}`, { headers: { "accept-encoding": "gzip" } });
    // A stream that the hub has compressed is not compressed again, or no message could be read.
    expect(follower.response.headers.get("content-encoding")).toBe(compressesAll ? "gzip" : null);
    expect(follower.response.headers.get("cache-control")).toMatch(/no-transform$/);
    await expectAtOnce(served, follower);
  });
});

describe("a compressor that ignores no-transform", () => {
  const prepare = (app: Express): void => void app.use(compression(), cachingLate);

  test.each(["sse", "comet"])("is flushed after each message on %s", async (wire) => {
    const served = await serveHub(prepare);
    const follower = await Follower.fetch(`${served.url}&wire=${wire}`, { headers: { "accept-encoding": "gzip" } });
    expect(follower.response.headers.get("content-encoding")).toBe("gzip");
    await expectAtOnce(served, follower);
  });

  test("is flushed after each element of sendChunked", async () => {
    let channel: Channel<string> | undefined;
    const source = Enumerator.unicast<string>((opened) => void (channel = opened));
    const headers = { "content-type": "text/plain" };
    const url = await serveExpress(prepare, (_, response) => void sendChunked(response, source, { headers }));
    const response = await fetch(url, { headers: { "accept-encoding": "gzip" } });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (const element of ["kiki", "foo", "bar"]) {
      channel?.push(element);
      expect(new TextDecoder().decode((await reader.read()).value)).toBe(element);
    }
    channel?.end();
    expect((await reader.read()).done).toBe(true);
  });
});
