import { createServer, type Server } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { createHub, type DemoOptions } from "./hub.ts";
import { isLocalHost } from "./local-host.ts";
import { PAGE_POLICY } from "./policies.ts";
import { sendText } from "./replies.ts";
import { createRoutes, findRoute } from "./routes.ts";

/** The drain period: streams end spread over it, so that clients do not reconnect all at once. */
const DRAIN_MS = 200;
/** The timeout after which stalled streams are closed without their end. */
const PATIENCE_MS = 1000;

/** The demo: a server, not yet listening, and the way to end it. */
export interface Demo {
  readonly server: Server;
  /** Drains the hub's clients, then closes the remaining connections. Takes about a second at most. */
  close(): Promise<void>;
}

export function createDemo(options: DemoOptions = {}): Demo {
  const demoHub = createHub(options);
  const routes = createRoutes(demoHub.hub);
  const server = createServer((request, response) => {
    response.setHeader("content-security-policy", PAGE_POLICY);
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("x-content-type-options", "nosniff");
    if (!isLocalHost(request)) {
      sendText(response, 421, "This server answers only requests to localhost.");
      return;
    }
    // Avoids `new URL`: the path is only looked up, and `//host/path` must not name another server.
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s, 2);
    const route = findRoute(routes, path);
    if (route === undefined) {
      sendText(response, 404, "There is nothing here. See / for what there is.");
    } else if (!route.methods.includes(request.method ?? "")) {
      response.setHeader("allow", route.methods.join(", "));
      sendText(response, 405, `This answers only ${route.methods.join(" and ")}.`);
    } else {
      route.answer(request, response, new URLSearchParams(query));
    }
  });
  const close = async (): Promise<void> => {
    const patience = new AbortController();
    const late = wait(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined);
    await Promise.race([demoHub.close(DRAIN_MS), late]);
    patience.abort();
    const closed = new Promise((resolve) => server.close(resolve));
    // The other streams never end by themselves: they stop when their connections close.
    server.closeAllConnections();
    await closed;
  };
  return { server, close };
}
