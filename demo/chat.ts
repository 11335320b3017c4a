import type { IncomingMessage, ServerResponse } from "node:http";
import { CometError, type Topic } from "comet-sockets";
import { sendJson, sendProblem, type Answer } from "./replies.ts";
import { readBody } from "./request-body.ts";
import { isSameOrigin } from "./same-origin.ts";

const MAX_NAME_LENGTH = 40;
const MAX_TEXT_LENGTH = 500;
/** More than the longest message with every character escaped. */
const MAX_BODY_BYTES = 8192;

/** A chat message. */
export interface ChatMessage {
  readonly name: string;
  readonly text: string;
  /** When the server received it, in milliseconds since 1970. */
  readonly at: number;
}

/** Publishes posted messages to a topic, once for each `messageId`: a page may retry a request with an unknown outcome. */
export function postMessage(topic: Topic<ChatMessage>): Answer {
  return (request, response) => {
    // A client that disconnects while it posts cannot receive an error.
    answer(topic, request, response).catch(() => void response.destroy());
  };
}

async function answer(topic: Topic<ChatMessage>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isSameOrigin(request)) {
    sendProblem(response, 403, "Only this server's own pages may post.");
    return;
  }
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body === undefined) {
    sendProblem(response, 413, `A message has at most ${MAX_BODY_BYTES} bytes.`);
    return;
  }
  const posted = parse(body);
  if (typeof posted === "string") {
    sendProblem(response, 400, posted);
    return;
  }
  const { messageId, name, text } = posted;
  try {
    sendJson(response, 201, { id: await topic.publish({ name, text, at: Date.now() }, { messageId }) });
  } catch (error) {
    if (!(error instanceof CometError && /^ERR_(?:CLOSED|BROKER|UNACKNOWLEDGED)$/.test(error.code))) throw error;
    // The page tries again with the same `messageId`.
    sendProblem(response, 503, error.code === "ERR_CLOSED" ? "The server is shutting down." : "The file is not there.");
  }
}

interface Posted {
  readonly messageId: string;
  readonly name: string;
  readonly text: string;
}

/** The posted message, or the error in it. */
function parse(body: string): Posted | string {
  const { messageId, name, text } = jsonObject(body);
  if (typeof messageId !== "string" || !/^[\w-]{1,64}$/.test(messageId)) {
    return "messageId must be 1 to 64 letters, digits, - and _.";
  }
  if (!isLine(name, MAX_NAME_LENGTH)) return lineProblem("name", MAX_NAME_LENGTH);
  if (!isLine(text, MAX_TEXT_LENGTH)) return lineProblem("text", MAX_TEXT_LENGTH);
  return { messageId, name: name.trim(), text: text.trim() };
}

/** The object that a body holds, or an empty one. */
export function jsonObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Whether a text is readable: it has a visible character, no control characters and no lone surrogates. */
export function isLine(value: unknown, maxLength: number): value is string {
  return (
    typeof value === "string" &&
    value.length <= maxLength &&
    /[^\p{C}\p{Z}]/u.test(value) &&
    !/[\p{Cc}\p{Cs}]/u.test(value)
  );
}

/** The error in a text that {@link isLine} refuses. */
export function lineProblem(what: string, maxLength: number): string {
  return `${what} must be 1 to ${maxLength} characters of text, without control characters.`;
}
