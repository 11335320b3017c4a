/** The server of `hub.fetch` on Node, by @hono/node-server. Prints its port. */
import { serve } from "@hono/node-server";
import { hubOf, webApp } from "./app.ts";

serve(
  { fetch: webApp((name, request) => hubOf(name).hub.fetch(request)), port: 0, hostname: "127.0.0.1" },
  ({ port }) => console.log(`port ${port}`),
);
