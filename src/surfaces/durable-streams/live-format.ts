import type { Format, LoggedMessage } from "../../wire/format.ts";
import type { CacheCursor } from "./cache-cursor.ts";
import { base64Of, textOf, type ContentKind } from "./content.ts";

/** The line ends of an event stream (WHATWG HTML, 9.2.5). */
const lineEnds = /\r\n|\r|\n/g;

/** The stream of a format, as far as it needs it. */
export interface FormattedStream {
  readonly config: { readonly id: string };
  readonly kind: ContentKind;
  readonly cursor: CacheCursor;
  /** Returns the offset that a position of its topic is. */
  offsetAt(position: string): string;
}

/**
 * The format of live readers: Server-Sent Events as the protocol has them, an event `data` for each message and an event `control` after
 * it, which has the offset.
 *
 * A message's frame is the same for all readers, so its `control` cannot say whether a reader has caught up. The end of a batch therefore
 * replaces the `control` of its last message.
 */
export function liveFormat(stream: FormattedStream): Format {
  const { kind, cursor } = stream;
  // One cursor for all frames, so that their ends have a known length. The end of each batch has the present one.
  const frameCursor = cursor.current();
  const plainControl = (id: string): string =>
    control({ streamNextOffset: stream.offsetAt(id), streamCursor: frameCursor });
  return {
    key: `durable-stream ${stream.config.id}`,
    wire: "sse",
    contentType: "text/event-stream",
    frameKey: `durable-stream ${stream.config.id}`,
    wrapper: undefined,
    endedWrapper: undefined,
    idsNameAllTopics: false,
    isChunked: false,
    head: "",
    before: "",
    after: "",
    heartbeat: ":\n\n",
    message: (message, id) =>
      message.ended === undefined
        ? `event: data\n${dataLines(kind, message)}\n${plainControl(id)}`
        : control({ streamNextOffset: stream.offsetAt(before(id)), upToDate: true, streamClosed: true }),
    control: () => "",
    end: () => ":\n\n",
    batchEnd: (position, isCaughtUp) => ({
      cut: plainControl(position).length,
      text: control({
        streamNextOffset: stream.offsetAt(position),
        streamCursor: cursor.current(),
        ...(isCaughtUp && { upToDate: true }),
      }),
    }),
    endsAtGap: true,
  };
}

interface Control {
  readonly streamNextOffset: string;
  readonly streamCursor?: string;
  readonly upToDate?: boolean;
  readonly streamClosed?: boolean;
}

function control(content: Control): string {
  return `event: control\ndata:${JSON.stringify(content)}\n\n`;
}

function dataLines(kind: ContentKind, message: LoggedMessage): string {
  if (kind === "json") return `data:[${message.json}]\n`;
  if (kind === "binary") return `data:${base64Of(message)}\n`;
  return `data:${textOf(message).replace(lineEnds, "\ndata:")}\n`;
}

/** Returns the position before the end of a topic: that of its last message. */
function before(id: string): string {
  const at = id.lastIndexOf(".") + 1;
  return id.slice(0, at) + String(Number(id.slice(at)) - 1);
}
