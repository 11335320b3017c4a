import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const news = hub.topic("news");
let count = 0;
setInterval(() => news.publish({ title: `Story ${(count += 1)}` }), 1000);

const page = `<!doctype html>
<title>News</title>
<ul id="stories"></ul>
<script>
  new EventSource("/live?topic=news").onmessage = (event) => {
    const story = document.createElement("li");
    story.textContent = JSON.parse(event.data).title;
    stories.prepend(story);
  };
</script>`;

const live = nodeHandler(hub);
const port = process.env.PORT ?? 4000;
createServer((request, response) => {
  if (request.url.startsWith("/live?")) live(request, response);
  else response.setHeader("content-type", "text/html; charset=utf-8").end(page);
}).listen(port, () => console.log(`http://localhost:${port}`));
