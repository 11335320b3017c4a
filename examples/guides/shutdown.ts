import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { drainOnSignal, nodeHandler } from "comet-sockets/node";

const hub = new Hub();
export const server = createServer(nodeHandler(hub)).listen(process.env["PORT"] ?? 4000);

drainOnSignal(hub, server, { drainMs: 3000 });
