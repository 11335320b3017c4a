import type { ClientWire, ReceivedItem } from "../client-wire.ts";

/** The types of the messages of a source whose wire is {@link asText}: text, whatever their event name. */
export interface TextEvents {
  readonly [event: string]: string;
}

/** The members before `data` in the text of a message, if all of them are strings. */
const HEAD = /^\{(?:"\w+":"(?:[^"\\]|\\.)*",)*"data":/;

/**
 * Wraps a wire so that the `data` of messages is text, as that of an `EventSource`: code with `JSON.parse(event.data)`
 * runs unchanged. Use it as the option `share`, or around the wire of a `BareSource`.
 *
 * A string that was published stays as it is. Any other value is its JSON, character by character as the hub has sent
 * it: a number keeps all its digits. A server that sends its items in another form than a hub gets its JSON parsed and
 * written again.
 *
 * @example
 * const source = new CometSource<TextEvents>("/live?topic=news", { share: asText });
 * source.onmessage = ({ data }) => console.log(JSON.parse(data));
 */
export function asText(wire: ClientWire): ClientWire {
  return Object.assign(Object.create(wire) as ClientWire, {
    isText: true,
    open: (...[request, events]: Parameters<ClientWire["open"]>) => wire.open({ ...request, parse }, events),
  });
}

/** Parses one item, or a list of them, and replaces the data of each message by its text. */
function parse(text: string): unknown {
  if (text.startsWith("[")) {
    try {
      // A hub writes each item of a poll on a line of its own.
      return text.slice(1, text.lastIndexOf("]")).split(",\n").map(parse);
    } catch {
      return (JSON.parse(text) as unknown[]).map((item) => withText(item, ""));
    }
  }
  return withText(JSON.parse(text), text);
}

/** Replaces the data of an item by its text. @param text The text of the item; empty if it is not known. */
function withText(parsed: unknown, text: string): unknown {
  const item = parsed as ReceivedItem | null;
  if (!item || !("data" in item) || typeof item.data === "string") return item;
  const head = HEAD.exec(text);
  // Another member may follow the data.
  const isLast = Object.keys(item).at(-1) === "data";
  const data = head && isLast ? text.slice(head[0].length, text.lastIndexOf("}")) : JSON.stringify(item.data);
  return Object.assign(item, { data });
}
