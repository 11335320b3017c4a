import { controlObject, endedItem, messageObject, type Format } from "./format.ts";
import type { ControlItems, Problem } from "./item.ts";
import { isVerbatim } from "./literal.ts";

/** The prefix of the protocol's own event names; a hub rejects it in those of applications. */
export const RESERVED_EVENT_PREFIX = "comet:";

/** The line ends of an event stream (WHATWG HTML, 9.2.5). */
const lineEnds = /\r\n|\r|\n/g;

/**
 * The format of plain Server-Sent Events, for any `EventSource`. PROTOCOL.md, section 5, fixes the bytes.
 *
 * Control items have event names of their own, so that a page that listens to `message` never sees them.
 *
 * @param retryMs Returns the delay before an `EventSource` reconnects after its connection broke, in milliseconds. It is
 *   called for each connection, so that they need not all reconnect at one moment.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function sseFormat(retryMs: () => number): Format {
  return {
    key: "sse",
    wire: "sse",
    contentType: "text/event-stream",
    frameKey: "sse",
    wrapper: undefined,
    endedWrapper: undefined,
    idsNameAllTopics: true,
    isChunked: false,
    head: "",
    before: "",
    after: "",
    heartbeat: `event: ${RESERVED_EVENT_PREFIX}heartbeat\ndata:\n\n`,
    message: ({ id: own, event, text, json, ended }, id) => {
      if (ended !== undefined) return control("ended", endedItem(ended, own), id, null);
      const data = text === undefined ? json : isVerbatim(text, json) ? text : inLines(text);
      // One template, and not a concatenation: a string of many pieces takes longer to encode.
      return event === undefined ? `id: ${id}\ndata: ${data}\n\n` : `event: ${event}\nid: ${id}\ndata: ${data}\n\n`;
    },
    control: (name, item, position) => control(name, item, position, name === "open" ? retryMs() : null),
    end: (item) => control("end", item, item.position, item.retryMs),
  };
}

/**
 * Writes the whole body of a refusal that an `EventSource` comes back from: it reads `retry` and the end, since it
 * never reconnects after another status than 200.
 */
export function sseRefusal(problem: Problem, retryMs: number): string {
  return control("error", problem, "", retryMs);
}

/** Begins a `data` field for each line of a text. */
function inLines(text: string): string {
  return text.includes("\n") || text.includes("\r") ? text.replace(lineEnds, "\ndata: ") : text;
}

/**
 * The format of managed Server-Sent Events, for pages that run this package's client: each event is one batch of ndjson
 * lines, so that data keeps its types. PROTOCOL.md, section 5, fixes the bytes.
 */
export const managedSseFormat: Format = {
  key: "sse managed",
  wire: "sse",
  contentType: "text/event-stream",
  frameKey: "sse managed",
  wrapper: undefined,
  endedWrapper: undefined,
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
