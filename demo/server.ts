import { createServer, type Server } from "node:http";
import { PAGE_POLICY } from "./policies.ts";
import { sendText } from "./replies.ts";
import { createRoutes } from "./routes.ts";

const METHODS = ["GET", "HEAD"];

/** The demo's server, not yet listening. Its sampler of this machine runs while a client of `/comet/machine` is there. */
export function createDemo(): Server {
  const routes = createRoutes();
  return createServer((request, response) => {
    response.setHeader("content-security-policy", PAGE_POLICY);
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("x-content-type-options", "nosniff");
    // Not by `new URL`: the path is only looked up, and `//host/path` is to be no other server's.
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s, 2);
    const route = routes.get(path);
    if (route === undefined) {
      sendText(response, 404, "There is nothing here. See / for what there is.");
    } else if (!METHODS.includes(request.method ?? "")) {
      response.setHeader("allow", METHODS.join(", "));
      sendText(response, 405, `Only ${METHODS.join(" and ")} are answered here.`);
    } else {
      route(response, new URLSearchParams(query));
    }
  });
}
