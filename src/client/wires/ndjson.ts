import { parsed, type ClientWire } from "../wire.ts";
import { ask } from "./ask.ts";

/** A frame that is longer is taken for an error: PROTOCOL.md, section 8. */
const MAX_LINE = 1 << 20;

/** A streamed answer of `fetch`: the fastest, with headers of the application's. */
export const ndjson: ClientWire = {
  name: "ndjson",
  sendsHeaders: true,
  open: (request, events) =>
    ask("ndjson", "application/x-ndjson", request, events, async ({ body }) => {
      const decoder = new TextDecoder();
      const reader = (body as ReadableStream<Uint8Array>).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
        rest = lines.pop() as string;
        if (rest.length > MAX_LINE) lines.push(rest);
        events.received(parsed(lines));
      }
    }),
};
