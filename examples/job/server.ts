/**
 * Exports with a progress bar, many at once: over the client, and in a forever iframe without a client.
 *
 *     PORT=4000 node examples/job/server.ts
 *
 * Kill it while an export runs, and start it again. The hub keeps its topics in this process, and they end with it. So the
 * pages reconnect, get the status 404 for the export, and show that it is lost. For now, finite topics need a hub without
 * a broker.
 */
import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { Exports, jobTopics } from "./exports.ts";
import { jobSite } from "./site.ts";

const hub = new Hub({ topics: jobTopics });
const port = process.env["PORT"] ?? 4000;
export const server = createServer(jobSite(hub, new Exports(hub)));
server.listen(port, () => console.log(`http://localhost:${port}`));
