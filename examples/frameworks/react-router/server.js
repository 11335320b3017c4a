import { createRequestHandler } from "@react-router/express";
import { drainOnSignal } from "comet-sockets/node";
import express from "express";

const app = express();
let build = () => import("./build/server/index.js");
if (process.argv.includes("--dev")) {
  const { createServer } = await import("vite");
  const vite = await createServer({
    server: { middlewareMode: true, hmr: { port: Number(process.env.API_PORT ?? 24_678) } },
  });
  build = () => vite.ssrLoadModule("virtual:react-router/server-build");
  app.use(vite.middlewares);
} else app.use(express.static("build/client"));

app.use(createRequestHandler({ build }));
const server = app.listen(process.env.PORT ?? 3000);
// The hub of the bundle: `app/entry.server.jsx` exports it.
drainOnSignal((await build()).entry.module.hub, server, { drainMs: 1000 });
