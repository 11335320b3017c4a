/**
 * A chat with the AI SDK: an answer outlives a reload, is read in any number of tabs, and is stopped in any of them.
 *
 *     CHAT_DB=chat.db PORT=4000 node examples/ai-chat/server.ts
 */
import { serve } from "@hono/node-server";
import { convertToModelMessages, generateId, streamText, toUIMessageStream, type UIMessage } from "ai";
import { Hub } from "comet-sockets";
import { Answers, answerTopic } from "comet-sockets/ai";
import { sqliteBroker } from "comet-sockets/sqlite";
import { Hono, type Context } from "hono";
import { getCookie } from "hono/cookie";
import { model } from "./model.ts";
import { pages } from "./pages.ts";

/** The user of a request. A real application has a session. */
const userOf = (context: Context): string => getCookie(context, "user") ?? "";
/** The messages of each chat, in place of a database. */
const chats = new Map<string, UIMessage[]>();

const path = process.env["CHAT_DB"];
export const hub = new Hub({
  ...(path !== undefined && { broker: await sqliteBroker({ path }) }),
  topics: (name) => name.startsWith("chat:") && answerTopic,
  // The id of a chat begins with its user.
  authorize: (_request, [topic], user) => topic?.startsWith(`chat:${String(user)}:`) === true,
});
const answers = new Answers(hub, { leaseMs: 2000 });

const app = new Hono();

app.post("/api/chat", async (context) => {
  const { id, messages } = await context.req.json<{ id: string; messages: UIMessage[] }>();
  const produce = async (abortSignal: AbortSignal) => {
    chats.set(id, messages);
    const { stream } = streamText({ model, messages: await convertToModelMessages(messages), abortSignal });
    return toUIMessageStream({
      stream,
      originalMessages: messages,
      generateMessageId: generateId,
      onEnd: ({ messages: all }) => void chats.set(id, all),
    });
  };
  return answers.start(context.req.raw, `chat:${id}`, produce, { context: userOf(context) });
});

app.all("/api/chat/:id/stream", (context) =>
  answers.fetch(context.req.raw, `chat:${context.req.param("id")}`, { context: userOf(context) }),
);

app.get("/api/chat/:id", (context) => {
  const id = context.req.param("id");
  return id.startsWith(`${userOf(context)}:`) ? context.json(chats.get(id) ?? []) : context.body(null, 403);
});

app.route("/", pages);

const port = Number(process.env["PORT"] ?? 4000);
export const server = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, (address) => {
  console.log(`http://127.0.0.1:${address.port}`);
});
