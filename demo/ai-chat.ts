import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { UIMessage } from "ai";
import type { Hub, TopicOptions } from "comet-sockets";
import { Answers, answerTopic, type ProduceAnswer } from "comet-sockets/ai";
import { nodeHandler } from "comet-sockets/node";
import { jsonObject } from "./chat.ts";
import { file, get, post, sendJson, sendProblem, type Answer, type Route } from "./replies.ts";
import { readBody } from "./request-body.ts";
import { isSameOrigin } from "./same-origin.ts";

const PAGES = new URL("../examples/ai-chat/pages/", import.meta.url);
/** A process that dies loses its answers after this time, in milliseconds. */
const LEASE_MS = 2000;
/** The id of a chat begins with its user. */
const CHAT = /^([a-z]{1,20}):[\da-f-]{36}$/;
const PREFIX = "ai-chat:";
const MAX_BODY_BYTES = 262_144;
/** The number of chats whose messages are kept. The oldest is forgotten. */
const MAX_CHATS = 100;

/** The options of a topic if it is a chat of the AI SDK. */
export function aiChatTopic(name: string): TopicOptions | false {
  return chatUser(name) !== undefined && answerTopic;
}

/** Whether a user may read and stop the answers of a topic. Only a chat of the AI SDK has a user. */
export function mayUse(topic: string, user: unknown): boolean {
  const owner = chatUser(topic);
  return owner === undefined || owner === user;
}

function chatUser(topic: string): string | undefined {
  return topic.startsWith(PREFIX) ? CHAT.exec(topic.slice(PREFIX.length))?.[1] : undefined;
}

/**
 * The page of `examples/ai-chat`, and the endpoints of its chats: the SDK itself, with its mock model.
 *
 * The SDK and the page's bundle are loaded when they are first needed, so that the demo starts without them.
 */
export class AiChats {
  readonly #answers: Answers;
  /** The messages of each chat, in place of a database. */
  readonly #chats = new Map<string, readonly UIMessage[]>();
  readonly #page = file(new URL("index.html", PAGES));
  #script: Promise<string> | undefined;

  constructor(hub: Hub) {
    this.#answers = new Answers(hub, { leaseMs: LEASE_MS });
  }

  /** The routes of the page and of the chats. A path that ends with a slash is the beginning of many. */
  readonly routes: readonly [path: string, route: Route][] = [
    ["/ai-chat.css", file(new URL("ai-chat.css", PAGES))],
    ["/ai-chat.js", get((_, response) => void this.#sendScript(response).catch(() => response.destroy()))],
    ["/ai-chat/", get((request, response, query) => this.#sendPage(request, response, query))],
    ["/api/chat", post(guarded((request, response) => this.#ask(request, response)))],
    ["/api/chat/", { methods: ["GET", "HEAD", "DELETE"], answer: guarded((...exchange) => this.#serve(...exchange)) }],
  ];

  async #sendScript(response: ServerResponse): Promise<void> {
    this.#script ??= import("../examples/ai-chat/bundle.ts").then(({ bundle }) => bundle());
    const script = Buffer.from(await this.#script);
    const type = "text/javascript; charset=utf-8";
    response.writeHead(200, { "content-type": type, "content-length": script.length, "cache-control": "no-cache" });
    response.end(script);
  }

  /** Sends the page of a chat, or begins a chat of the user that the query names. */
  #sendPage(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    const id = idIn(request, "/ai-chat/");
    if (id === "") {
      const user = query.get("user") ?? "ada";
      if (!CHAT.test(`${user}:${randomUUID()}`)) {
        sendProblem(response, 400, "user must be 1 to 20 letters from a to z.");
        return;
      }
      const location = `/ai-chat/${user}:${randomUUID()}`;
      // A login without a password.
      const cookie = `user=${user}; Path=/; HttpOnly; SameSite=Strict`;
      response.writeHead(302, { location, "set-cookie": cookie, "cache-control": "no-store" });
      response.end();
    } else if (CHAT.test(id)) {
      this.#page.answer(request, response, query);
    } else sendProblem(response, 404, "A chat has a user and a UUID, as in /ai-chat/ada:UUID.");
  }

  /** Answers a question. */
  async #ask(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, MAX_BODY_BYTES);
    if (body === undefined) {
      sendProblem(response, 413, `The messages of a chat have at most ${MAX_BODY_BYTES} bytes.`);
      return;
    }
    const { id, messages } = jsonObject(body);
    const { safeValidateUIMessages } = await import("ai");
    const checked = await safeValidateUIMessages<UIMessage>({ messages });
    if (typeof id !== "string" || !CHAT.test(id) || !checked.success) {
      sendProblem(response, 400, "id must be a user and a UUID, and messages those of useChat.");
      return;
    }
    const produce: ProduceAnswer = (signal) => this.#produce(id, checked.data, signal);
    await this.#respond(request, response, id, produce);
  }

  async #produce(id: string, messages: UIMessage[], abortSignal: AbortSignal): Promise<ReadableStream> {
    const { convertToModelMessages, generateId, streamText, toUIMessageStream } = await import("ai");
    const { model } = await import("../examples/ai-chat/model.ts");
    this.#keep(id, messages);
    const { stream } = streamText({ model, messages: await convertToModelMessages(messages), abortSignal });
    return toUIMessageStream({
      stream,
      originalMessages: messages,
      generateMessageId: generateId,
      onEnd: ({ messages: all }) => this.#keep(id, all),
    });
  }

  #keep(id: string, messages: readonly UIMessage[]): void {
    // It is the newest now.
    this.#chats.delete(id);
    this.#chats.set(id, messages);
    for (const oldest of this.#chats.keys()) if (this.#chats.size > MAX_CHATS) this.#chats.delete(oldest);
  }

  /** Answers with the messages of a chat, or streams or stops its answer. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, id = "", stream] = /^([^/]*)(\/stream)?$/.exec(idIn(request, "/api/chat/")) ?? [];
    if (!CHAT.test(id)) sendProblem(response, 404, "There is no such chat.");
    else if (stream !== undefined) await this.#respond(request, response, id);
    else if (request.method === "DELETE") sendProblem(response, 405, "Only the answer of a chat can be stopped.");
    else if (mayUse(PREFIX + id, userOf(request))) sendJson(response, 200, this.#chats.get(id) ?? []);
    else sendProblem(response, 403, "This chat is another user's.");
  }

  #respond(request: IncomingMessage, response: ServerResponse, id: string, produce?: ProduceAnswer): Promise<void> {
    const endpoint = this.#answers.endpoint(PREFIX + id, produce);
    return nodeHandler(endpoint, { context: userOf(request) })(request, response);
  }
}

/** Answers requests of the demo's own pages alone. */
function guarded(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Answer {
  return (request, response) => {
    if (!isSameOrigin(request)) {
      sendProblem(response, 403, "Only this server's own pages may use a chat.");
      return;
    }
    // A client that disconnects while it posts cannot receive an error.
    answer(request, response).catch(() => void response.destroy());
  };
}

/** The rest of a request's path after a prefix. An id has no character that needs decoding but its colon. */
function idIn({ url = "" }: IncomingMessage, prefix: string): string {
  return (url.split("?", 1)[0] ?? "").slice(prefix.length).replace(/%3a/gi, ":");
}

/** The user of a request, by its cookie. A real application has a session. */
function userOf({ headers }: IncomingMessage): string | undefined {
  return /(?:^|; )user=([a-z]{1,20})(?:;|$)/.exec(headers.cookie ?? "")?.[1];
}
