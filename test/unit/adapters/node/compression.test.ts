import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import compression from "compression";
import express, { type Express } from "express";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler, type NodeHandlerOptions } from "../../../../src/adapters/node/index.ts";
import { Follower, notedHub, streams, type NotedHub } from "../../../support/hub.ts";

/** Serves a hub at `/live` of an application that compresses. */
async function serveCompressed(
  prepare: (app: Express) => void,
  options: NodeHandlerOptions = {},
): Promise<NotedHub & { readonly url: string }> {
  const noted = notedHub();
  const app = express();
  prepare(app);
  app.get("/live", nodeHandler(noted.hub, options));
  const server = createServer(app).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  return { ...noted, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/live?topic=a` };
}

const compressed = (app: Express): void => void app.use(compression());

/** The application's own `Cache-Control`, without the hub's `no-transform`. */
const own = { headers: { "cache-control": "no-store" } };

describe.each(streams)("behind compression(), a stream on %s sends each message at once", (wire) => {
  test.each<[string, (app: Express) => void, NodeHandlerOptions]>([
    ["with the hub's own Cache-Control", compressed, {}],
    ["with no-transform in the application's", compressed, { headers: { "cache-control": "private, no-transform" } }],
    [
      "with the path excluded",
      (app) =>
        app.use(
          compression({
            filter: (request, response) => request.path !== "/live" && compression.filter(request, response),
          }),
        ),
      own,
    ],
  ])("%s", async (_, prepare, options) => {
    const { hub, url } = await serveCompressed(prepare, options);
    const follower = await Follower.fetch(`${url}&wire=${wire}`);
    expect(follower.response.headers.get("content-encoding")).toBeNull();
    await follower.begun();
    for (let i = 1; i <= 5; i += 1) {
      await hub.topic("a").publish(i);
      await follower.has(i);
    }
  });
});

test("compresses a stream behind compression() if its Cache-Control lacks no-transform", async () => {
  const { url } = await serveCompressed(compressed, own);
  const response = await fetch(`${url}&wire=sse`, { headers: { "accept-encoding": "gzip" } });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  await response.body?.cancel();
});
