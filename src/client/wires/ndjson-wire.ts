import { parseItems, type ClientWire } from "../client-wire.ts";
import { nextTask } from "../next-task.ts";
import { openFetch } from "./open-fetch.ts";

/**
 * The longest line, in UTF-16 code units: far more than messages that a page can use, so that whatever a hub publishes
 * arrives. A longer one is a fatal error, since it would arrive again after each reconnect.
 */
const MAX_LINE = 1 << 26;

/** A line whose rest is missing for this time is held back by a proxy that passes on full buffers only. */
const LATE_MS = 3000;

/** The wire handles this number of lines at a time, and then looks at the clock. */
const SLICE_LINES = 64;

/** After this time the wire lets the page handle input and render, in milliseconds. A task over 50 ms is a long one. */
const SLICE_MS = 8;

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
    openFetch("ndjson", "application/x-ndjson", request, events, async ({ body }, signal) => {
      const decoder = new TextDecoder();
      const reader = (body as ReadableStream<Uint8Array>).getReader();
      let rest = "";
      /** The time that was spent on items since the page could last do other work. */
      let workMs = 0;
      for (;;) {
        // A hub sends whole lines, so on a quiet topic nothing is missing.
        const timer = rest && setTimeout(() => events.late?.(), LATE_MS);
        const { value, done } = await reader.read().finally(() => clearTimeout(timer));
        if (done) return;
        // The rest is not searched again: that would cost the square of a long line's length.
        const lines = decoder.decode(value, { stream: true }).split("\n");
        lines[0] = rest + (lines[0] as string);
        rest = lines.pop() as string;
        let i = 0;
        do {
          const beganAt = performance.now();
          events.received(parseItems(lines.slice(i, (i += SLICE_LINES)), request.parse));
          workMs += performance.now() - beganAt;
          if (workMs > SLICE_MS) {
            workMs = 0;
            await nextTask();
          }
        } while (i < lines.length && !signal.aborted);
        if (rest.length > MAX_LINE) {
          events.broken({ code: "ERR_FRAME", detail: "Line too long.", retryMs: null });
          return;
        }
      }
    }),
};
