import type { Format } from "../../wire/format.ts";
import type { TopicEnd } from "../../wire/item.ts";

/** The header by which the AI SDK marks the protocol. */
export const UI_MESSAGE_HEADERS = { "x-vercel-ai-ui-message-stream": "v1" };

/** The texts of errors that the hub gives an answer. Any other `failed` topic has a text of the application's own. */
const errorTexts: { readonly [code: string]: string } = {
  ERR_FAILED: "The answer has failed.",
  ERR_PRODUCER_LOST: "The server that wrote this answer was lost.",
};

const GAP = "A part of this answer is no longer kept.";
const MISSING = "This answer was deleted.";
const CLOSED = "The connection was closed before the end of the answer.";

/**
 * The UI message stream protocol of the AI SDK: one event of Server-Sent Events for each chunk, `[DONE]` at the end.
 *
 * The SDK reads only the `data` of events, so the other fields belong to `client/ai/`. The stream begins with an event
 * that has an `id` alone: the position at the start. The `id` of each later event is the offset alone, since a whole
 * position would double the size of a token. An event `comet:end` asks the client to reconnect; to a client that does
 * not know it, it is an error, so that a part of an answer never passes for the whole.
 *
 * @see https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
 */
export const uiMessageFormat: Format = {
  key: "ui message",
  wire: "sse",
  contentType: "text/event-stream",
  frameKey: "ui message",
  wrapper: undefined,
  endedWrapper: undefined,
  idsNameAllTopics: false,
  isChunked: false,
  head: "",
  before: "",
  after: "",
  heartbeat: ": keep-alive\n\n",
  message: ({ id, json, text, ended }) => {
    const offset = id.slice(id.lastIndexOf(".") + 1);
    if (ended !== undefined) return `id: ${offset}\n${endOf(ended)}`;
    // The id of the answer is no chunk.
    return text === undefined ? `id: ${offset}\ndata: ${json}\n\n` : `id: ${offset}\n\n`;
  },
  control: (name, _, position) => {
    if (name === "open") return position === "" ? ": open\n\n" : `id: ${position}\n\n`;
    return error(name === "gap" ? GAP : MISSING);
  },
  end: ({ reason, retryMs }) => {
    if (reason === "gone") return ": end\n\n";
    return retryMs === null ? error(CLOSED) : `event: comet:end\nretry: ${retryMs}\n${error(CLOSED)}`;
  },
};

function endOf({ outcome, code = "", message = "" }: TopicEnd): string {
  const last = outcome === "failed" ? error(errorTexts[code] ?? message) : outcome === "stopped" ? ABORT : "";
  return `${last}data: [DONE]\n\n`;
}

const ABORT = 'data: {"type":"abort"}\n\n';

function error(errorText: string): string {
  return `data: ${JSON.stringify({ type: "error", errorText })}\n\n`;
}
