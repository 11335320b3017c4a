import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { connect } from "comet-sockets/node";

const hub = new Hub();
const news = hub.topic<{ title: string }>("news");
await news.publish({ title: "Comet returns" });

export const server = createServer((request, response) => {
  void connect(hub, request, response);
}).listen(process.env["PORT"] ?? 4000);
