import { parseItems, type ClientWire } from "../client-wire.ts";
import { openFetch } from "./open-fetch.ts";

/**
 * The longest frame, in UTF-16 code units: PROTOCOL.md, section 8. The wire parses a longer, unfinished line, which is
 * an `ERR_FRAME`.
 */
const MAX_LINE = 1 << 20;

/**
 * The wire `ndjson`: a streamed response of `fetch`. It is the fastest, and sends the application's headers.
 *
 * A last line without a line end is dropped: the connection was cut in it, so it was not received (PROTOCOL.md, section
 * 5).
 */
export const ndjson: ClientWire = {
  name: "ndjson",
  sendsHeaders: true,
  open: (request, events) =>
    openFetch("ndjson", "application/x-ndjson", request, events, async ({ body }) => {
      const decoder = new TextDecoder();
      const reader = (body as ReadableStream<Uint8Array>).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
        rest = lines.pop() as string;
        if (rest.length > MAX_LINE) lines.push(rest);
        events.received(parseItems(lines));
      }
    }),
};
