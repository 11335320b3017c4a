import { createServer } from "node:http";
import { comet, Enumerator } from "comet-sockets";
import { sendChunked } from "comet-sockets/node";

const events = Enumerator.of("kiki", "foo", "bar");

export const server = createServer((_request, response) => {
  void sendChunked(response, events.through(comet({ callback: "console.log" })));
}).listen(process.env["PORT"] ?? 4000);
