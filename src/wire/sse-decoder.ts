import { checkDecoderOptions, type Decoder, type DecoderOptions, parseJson } from "./decoder.ts";
import { controlItem } from "./item-reader.ts";
import type { WireItem } from "./item.ts";
import { SseParser, type SseEvent } from "./sse-parser.ts";

/**
 * Reads Server-Sent Events: PROTOCOL.md, section 5. A frame is an event: its data, and a line. The events `comet:open`,
 * `comet:gap`, `comet:end` and `comet:heartbeat` are the items of these names, others that begin with `comet:` are left out, and
 * every other event is a message.
 *
 * This wire cannot say what type data is of: a message's `data` is always the text as it came, a string, and who knows that
 * it is JSON parses it. A message's `id` is the stream's last event id, the client's whole position, or empty if the
 * server sends none. So this also reads the event streams of other servers.
 *
 * @throws {CometError} `ERR_OPTION` from the constructor.
 */
export class SseDecoder implements Decoder {
  readonly #parser: SseParser;

  constructor(options: DecoderOptions) {
    const { onItem, maxFrameBytes } = checkDecoderOptions(options);
    const onEvent = (event: SseEvent): void => {
      const item = itemOfEvent(event);
      if (item !== undefined) onItem(item);
    };
    this.#parser = new SseParser({ onEvent, maxFrameBytes });
  }

  feed(bytes: Uint8Array): void {
    this.#parser.feed(bytes);
  }

  end(): void {
    this.#parser.end();
  }
}

function itemOfEvent({ event, data, lastEventId }: SseEvent): WireItem | undefined {
  if (event === undefined) return { type: "message", id: lastEventId, data };
  if (!event.startsWith("comet:")) return { type: "message", id: lastEventId, event, data };
  const name = event.slice("comet:".length);
  if (name === "heartbeat") return { type: "heartbeat" };
  return name === "open" || name === "gap" || name === "end" ? controlItem(name, parseJson(data)) : undefined;
}
