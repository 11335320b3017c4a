import { createServer, type Server } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { createHub } from "./hub.ts";
import { PAGE_POLICY } from "./policies.ts";
import { sendText } from "./replies.ts";
import { createRoutes } from "./routes.ts";

/** Over so long those who are connected are ended, so that they do not all come back at once. */
const DRAIN_MS = 200;
/** After so long those who do not read the end of their stream go without it. */
const PATIENCE_MS = 1000;

/** The demo: a server, not yet listening, and the way to end it. */
export interface Demo {
  readonly server: Server;
  /** Tells the hub's clients that the server goes down, and then breaks off what is left. Takes about a second at most. */
  close(): Promise<void>;
}

export function createDemo(): Demo {
  const demoHub = createHub();
  const routes = createRoutes(demoHub.hub);
  const server = createServer((request, response) => {
    response.setHeader("content-security-policy", PAGE_POLICY);
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("x-content-type-options", "nosniff");
    // Not by `new URL`: the path is only looked up, and `//host/path` is to be no other server's.
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s, 2);
    const route = routes.get(path);
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
    // The other streams have no end of their own, and are stopped by their connections' end.
    server.closeAllConnections();
    await closed;
  };
  return { server, close };
}
