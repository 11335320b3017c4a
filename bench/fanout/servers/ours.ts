/**
 * comet-sockets on node:http, with all its defaults, its log and its heartbeats. The wire is the client's choice.
 * For resuming, `fill` messages are published before anybody comes.
 */
import { createServer } from "node:http";
import { Hub } from "../../../dist/index.js";
import { connect } from "../../../dist/adapters/node/index.js";
import { messages } from "../messages.ts";
import { host, listenOptions } from "./host.ts";

const [fill = 0, bytes = 100] = process.argv.slice(2).map(Number);

const hub = new Hub();
const topic = hub.topic<string>("bench");
for (const message of messages(fill, bytes, 0)) await topic.publish(message);

const server = createServer((request, response) => void connect(hub, request, response));
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) void topic.publish(message);
    },
    count: () => hub.stats().connections,
  });
});
