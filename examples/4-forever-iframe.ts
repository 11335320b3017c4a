import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { comet, Enumerator, Html } from "comet-sockets";
import { sendChunked } from "comet-sockets/node";

const events = Enumerator.of("kiki", "foo", "bar").through(comet({ callback: "parent.cometMessage" }));
const page = Enumerator.of(Html.trusted(readFileSync(new URL("4-forever-iframe.html", import.meta.url), "utf8")));

export const server = createServer((request, response) => {
  void sendChunked(response, request.url === "/comet" ? events : page);
}).listen(process.env["PORT"] ?? 4000);
