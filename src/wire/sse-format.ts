import { controlObject, messageObject, type Format } from "./format.ts";
import type { ControlItems } from "./item.ts";
import { isVerbatim } from "./literal.ts";

/** Event names that begin so are the protocol's own. */
export const RESERVED_EVENT_PREFIX = "comet:";

/** How lines end in an event stream (WHATWG HTML, 9.2.5). */
const lineEnds = /\r\n|\r|\n/g;

/**
 * Server-Sent Events.
 *
 * @param retryMs How long an `EventSource` whose connection breaks waits before it comes back.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function sseFormat(retryMs: number): Format {
  return {
    key: "sse",
    wire: "sse",
    contentType: "text/event-stream",
    frameKey: "sse",
    idsNameAllTopics: true,
    isChunked: false,
    head: "",
    before: "",
    after: "",
    heartbeat: `event: ${RESERVED_EVENT_PREFIX}heartbeat\ndata:\n\n`,
    message: ({ event, text, json }, id) => {
      const data = text === undefined ? json : isVerbatim(text, json) ? text : inLines(text);
      // Not put together of parts: a string of many pieces takes longer to encode.
      return event === undefined ? `id: ${id}\ndata: ${data}\n\n` : `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
    },
    control: (name, item, position) => control(name, item, position, name === "open" ? retryMs : null),
    end: (item) => control("end", item, item.position, item.retryMs),
  };
}

/** A text of several lines has a field for each. */
function inLines(text: string): string {
  return text.includes("\n") || text.includes("\r") ? text.replace(lineEnds, "\ndata: ") : text;
}

/**
 * Server-Sent Events for a page that runs our client: each event is some lines of ndjson, so that data keep their types, and
 * what comes together is one event.
 */
export const managedSseFormat: Format = {
  key: "sse managed",
  wire: "sse",
  contentType: "text/event-stream",
  frameKey: "sse managed",
  idsNameAllTopics: false,
  isChunked: false,
  head: "",
  before: "",
  after: "\n",
  heartbeat: "data:\n\n",
  message: (message) => `data: ${messageObject(message)}\n`,
  control: (name, item) => `data: ${controlObject(name, item)}\n\n`,
  end: (item) => `data: ${controlObject("end", item)}\n\n`,
};

function control<Name extends keyof ControlItems>(
  name: Name,
  item: ControlItems[Name],
  position: string,
  retryMs: number | null,
): string {
  const retry = retryMs === null ? "" : `retry: ${retryMs}\n`;
  const id = position === "" ? "" : `id: ${position}\n`;
  return `event: ${RESERVED_EVENT_PREFIX}${name}\n${id}${retry}data: ${JSON.stringify(item)}\n\n`;
}
