/** The server of one way to stream answers to `useChat`, in a process of its own: `server.ts WAY BROKER`. The parent process asks it by IPC. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { createUIMessageStreamResponse, UI_MESSAGE_STREAM_HEADERS, type UIMessageChunk } from "ai";
import { createClient } from "redis";
import { createResumableStreamContext, type Publisher, type Subscriber } from "resumable-stream";
import { Answers, answerTopic } from "../../dist/surfaces/ai/index.js";
import { redisBroker } from "../../dist/brokers/redis/index.js";
import { sqliteBroker } from "../../dist/brokers/sqlite/index.js";
import { Hub } from "../../dist/index.js";
import type { Question, Way } from "./main.ts";

/** The endpoints of a chat. */
interface Endpoints {
  readonly start: (request: Request, question: Question) => Response | Promise<Response>;
  readonly resume: (request: Request, id: string) => Promise<Response>;
}

async function* model({ tokens, pauseMs }: Question): AsyncGenerator<UIMessageChunk, void> {
  yield { type: "start", messageId: "1" };
  yield { type: "text-start", id: "1" };
  for (let i = 0; i < tokens; i += 1) {
    await sleep(pauseMs);
    yield { type: "text-delta", id: "1", delta: `w${String(i).padStart(4, "0")} ` };
  }
  yield { type: "text-end", id: "1" };
  yield { type: "finish" };
}

function streamOf(question: Question): ReadableStream<UIMessageChunk> {
  const chunks = model(question);
  return new ReadableStream<UIMessageChunk>({
    pull: async (controller) => {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function client(url: string): Promise<Publisher & Subscriber> {
  return await createClient({ url }).connect();
}

async function endpointsOf(way: Way, broker: string): Promise<Endpoints> {
  if (way === "a bare Response") {
    return {
      start: (_, question) => createUIMessageStreamResponse({ stream: streamOf(question) }),
      resume: () => Promise.resolve(new Response(null, { status: 204 })),
    };
  }
  if (way === "resumable-stream, Redis") {
    const [publisher, subscriber] = [await client(broker), await client(broker)];
    const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });
    return {
      start: (_, question) =>
        createUIMessageStreamResponse({
          stream: streamOf(question),
          consumeSseStream: async ({ stream }) => {
            // The SDK's guide leaves this copy unread; the package reads its source all the same.
            await context.createNewResumableStream(question.id, () => stream);
          },
        }),
      resume: async (_, id) => {
        const stream = await context.resumeExistingStream(id);
        return new Response(stream?.pipeThrough(new TextEncoderStream()) ?? null, {
          headers: UI_MESSAGE_STREAM_HEADERS,
        });
      },
    };
  }
  const made =
    way === "ours, Redis"
      ? { broker: await redisBroker({ client: createClient({ url: broker }) }) }
      : way === "ours, SQLite"
        ? { broker: await sqliteBroker({ path: broker }) }
        : {};
  const answers = new Answers(new Hub({ ...made, topics: () => answerTopic }));
  return {
    start: (request, question) => answers.start(request, `chat:${question.id}`, () => model(question)),
    resume: (request, id) => answers.fetch(request, `chat:${id}`),
  };
}

const [way = "", broker = ""] = process.argv.slice(2);
const { start, resume } = await endpointsOf(way as Way, broker);
const listener = getRequestListener(async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/") return start(request, (await request.json()) as Question);
  return resume(request, pathname.slice(1));
});
const server = createServer((request, response) => void listener(request, response));
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.(user + system);
});
process.on("disconnect", () => process.exit());
