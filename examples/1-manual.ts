import { createServer } from "node:http";
import { Enumerator } from "comet-sockets";
import { sendChunked } from "comet-sockets/node";

const events = Enumerator.of(
  "<script>console.log('kiki')</script>",
  "<script>console.log('foo')</script>",
  "<script>console.log('bar')</script>",
);

export const server = createServer((_request, response) => {
  void sendChunked(response, events, { headers: { "content-type": "text/html; charset=utf-8" } });
}).listen(process.env["PORT"] ?? 4000);
