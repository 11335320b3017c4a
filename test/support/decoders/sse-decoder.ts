import { CometError, describe } from "../../../src/core/errors.ts";
import { checkDecoderOptions, type Decoder, type DecoderOptions, parseJson } from "./decoder.ts";
import { controlItem, isControlName, itemOf } from "./item-reader.ts";
import type { WireItem } from "./wire-item.ts";
import { SseParser, type SseEvent } from "./sse-parser.ts";

/** Options of {@link SseDecoder}. */
export interface SseDecoderOptions extends DecoderOptions {
  /** The mode of the request. @default "plain" */
  readonly mode?: "plain" | "managed";
}

/**
 * Reads Server-Sent Events: PROTOCOL.md, section 5. A frame is an event: its data, and a line. In managed mode an event
 * without a name is lines of ndjson, and others are left out. In plain mode the events `comet:open`, `comet:gap`,
 * `comet:end` and `comet:heartbeat` are the items of these names, others that begin with `comet:` are left out, and
 * every other event is a message.
 *
 * In plain mode this wire does not carry the type of data: a message's `data` is always the text, and a caller that
 * expects JSON parses it. A message's `id` is the stream's last event id, the client's whole position, or empty if the
 * server sends none. So this also reads the event streams of other servers.
 *
 * @throws {CometError} `ERR_OPTION` from the constructor.
 */
export class SseDecoder implements Decoder {
  readonly #parser: SseParser;

  constructor(options: SseDecoderOptions) {
    const { onItem, maxFrameBytes } = checkDecoderOptions(options);
    const { mode = "plain" } = options;
    if (!["plain", "managed"].includes(mode)) {
      throw new CometError("ERR_OPTION", `mode must be plain or managed, not ${describe(mode)}.`);
    }
    const itemsOf = mode === "plain" ? itemOfEvent : itemsOfLines;
    const onEvent = (event: SseEvent): void => {
      for (const item of itemsOf(event)) if (item !== undefined) onItem(item);
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

function itemOfEvent({ event, data, lastEventId }: SseEvent): readonly WireItem[] {
  if (event === undefined) return [{ type: "message", id: lastEventId, data }];
  if (!event.startsWith("comet:")) return [{ type: "message", id: lastEventId, event, data }];
  const name = event.slice("comet:".length);
  if (name === "heartbeat") return [{ type: "heartbeat" }];
  return isControlName(name) ? [controlItem(name, parseJson(data))] : [];
}

function itemsOfLines({ event, data }: SseEvent): readonly (WireItem | undefined)[] {
  if (event !== undefined) return [];
  return data.split("\n").map((line) => (line === "" ? { type: "heartbeat" } : itemOf(parseJson(line))));
}
