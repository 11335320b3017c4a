/** comet-sockets on node:http2 in clear text, with all its defaults. The wire is the client's choice. */
import { createServer } from "node:http2";
import { Hub } from "../../../dist/index.js";
import { connect } from "../../../dist/adapters/node/index.js";
import { host, listenOptions } from "./host.ts";

const hub = new Hub();
const topic = hub.topic<string>("bench");

const server = createServer((request, response) => void connect(hub, request, response));
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) void topic.publish(message);
    },
    count: () => hub.stats().connections,
  });
});
