import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const news = hub.topic("news");
let count = 0;
setInterval(() => news.publish({ title: `Story ${(count += 1)}` }), 1000);

const page = `<!doctype html>
<title>News</title>
<p id="state">connecting</p>
<ul id="stories"></ul>
<script src="/client.js"></script>
<script>
  const show = (text) => {
    const story = document.createElement("li");
    story.textContent = text;
    stories.prepend(story);
  };
  const source = new Comet.CometSource("/live?topic=news&from=oldest");
  source.onmessage = ({ data }) => show(data.title);
  source.ongap = ({ missed }) => show(missed === null ? "stories are missing" : missed + " stories are missing");
  source.onopen = ({ wire }) => (state.textContent = "live over " + wire);
  source.onerror = ({ retryMs }) => (state.textContent = retryMs === null ? "closed" : "reconnecting");
</script>`;

const client = readFileSync(new URL("dist/client.global.js", import.meta.resolve("comet-sockets/package.json")));
const live = nodeHandler(hub);
const port = process.env.PORT ?? 4000;
createServer((request, response) => {
  if (request.url.startsWith("/live?")) live(request, response);
  else if (request.url === "/client.js") response.setHeader("content-type", "text/javascript").end(client);
  else response.setHeader("content-type", "text/html; charset=utf-8").end(page);
}).listen(port, () => console.log(`http://localhost:${port}`));
