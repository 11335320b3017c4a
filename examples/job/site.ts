import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { extname } from "node:path";
import type { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import type { Exports } from "./exports.ts";

/** The page over the client, the page with a forever iframe, and their parts. */
const pages = new Map([
  ["/job", "job.html"],
  ["/job/iframe", "job-iframe.html"],
  ["/job.css", "job.css"],
  ["/job-rows.js", "job-rows.js"],
  ["/job-client.js", "job-client.js"],
  ["/job-iframe.js", "job-iframe.js"],
]);
const types: Readonly<Record<string, string>> = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

/** Serves the pages, the file that has the client, the hub and the exports. */
export function jobSite(hub: Hub, exports: Exports): RequestListener {
  const live = nodeHandler(hub);
  return (request, response) => {
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s, 2);
    const page = path === "/client.global.js" ? "../../../dist/client.global.js" : pages.get(path);
    if (path === "/live") void live(request, response);
    else if (path === "/exports") exports.answer(request, response, new URLSearchParams(query));
    else if (page === undefined) response.writeHead(302, { location: "/job" }).end();
    else {
      response.setHeader("content-type", `${types[extname(page)] ?? ""}; charset=utf-8`);
      response.end(readFileSync(new URL(`pages/${page}`, import.meta.url)));
    }
  };
}
