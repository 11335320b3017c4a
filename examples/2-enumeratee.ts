import { createServer } from "node:http";
import { Enumeratee, Enumerator, html } from "comet-sockets";
import { sendChunked } from "comet-sockets/node";

const events = Enumerator.of("kiki", "foo", "bar");
const toCometMessage = Enumeratee.map((data: string) => html`<script>console.log(${data})</script>`);

export const server = createServer((_request, response) => {
  void sendChunked(response, events.through(toCometMessage));
}).listen(process.env["PORT"] ?? 4000);
