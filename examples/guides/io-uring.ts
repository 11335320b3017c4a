import { createServer } from "node:http";
import koffi from "koffi";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { useIoUring } from "comet-sockets/uring";

const ring = useIoUring({ koffi });
if (!ring.active) console.log(`Streams are written one by one. ${ring.reason}`);

export const hub = new Hub();
export const server = createServer(nodeHandler(hub)).listen(Number(process.env["PORT"] ?? 4000));
