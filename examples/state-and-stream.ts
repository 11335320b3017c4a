/**
 * A page that is rendered with its state, and follows a topic from the very position of that state.
 *
 *     PORT=4000 node examples/state-and-stream.ts
 *     curl --data '{"id":"1","text":"Write the docs","isDone":false}' http://127.0.0.1:4000/tasks
 */
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { html, Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

type Task = { id: string; text: string; isDone: boolean };

export const hub = new Hub({ topics: (name) => name === "tasks" });
const topic = hub.topic<Task>("tasks");
/** In place of a database. */
export const tasks = new Map<string, Task>();

/** Changes the state first, and then publishes the whole task. */
export async function change(task: Task): Promise<void> {
  tasks.set(task.id, task);
  await topic.publish(task, { key: task.id });
}

/** Reads the position first, and then the state. */
async function renderPage(): Promise<string> {
  const position = await topic.position();
  const state = [...tasks.values()];
  const url = `/live?topic=tasks&lastEventId=${encodeURIComponent(position)}`;
  return html`<!doctype html>
    <title>Tasks</title>
    <ul id="tasks"></ul>
    <script>
      const items = new Map();
      function show(task) {
        if (!items.has(task.id)) {
          items.set(task.id, document.createElement("li"));
          document.getElementById("tasks").append(items.get(task.id));
        }
        items.get(task.id).textContent = (task.isDone ? "Done: " : "") + task.text;
      }
      ${state}.forEach(show);
      const source = new EventSource(${url});
      source.onmessage = (event) => show(JSON.parse(event.data));
      source.addEventListener("comet:gap", () => location.reload());
    </script>`.toString();
}

const live = nodeHandler(hub);
export const server = createServer(async (request, response) => {
  if (request.url?.startsWith("/live?")) return live(request, response);
  if (request.method === "POST") {
    await change((await json(request)) as Task);
    return void response.writeHead(201).end();
  }
  return void response.setHeader("content-type", "text/html; charset=utf-8").end(await renderPage());
}).listen(process.env["PORT"] ?? 4000);
