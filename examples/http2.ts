import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const { PORT = "4443", TLS_KEY = "key.pem", TLS_CERT = "cert.pem" } = process.env;

const hub = new Hub();
await hub.topic("news").publish({ title: "Comet returns" });

export const server = createSecureServer(
  {
    key: readFileSync(TLS_KEY),
    cert: readFileSync(TLS_CERT),
    allowHTTP1: true,
    // Node's default is no limit: one connection could open any number of streams.
    settings: { maxConcurrentStreams: 100 },
  },
  nodeHandler(hub),
).listen(PORT);
