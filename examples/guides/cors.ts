import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const origins = (process.env["ORIGINS"] ?? "https://app.example.com").split(",");
const hub = new Hub({ cors: { origins, credentials: true } });

export const server = createServer(nodeHandler(hub)).listen(process.env["PORT"] ?? 4000);
