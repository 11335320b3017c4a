import { parseItems, type ClientWire } from "../client-wire.ts";
import { openFetch } from "./open-fetch.ts";

/**
 * The wire `poll`: one complete response after the other, for proxies that hold a stream back until it ends. It sends
 * the application's headers.
 *
 * Its idle timeout must stay longer than a hub's `pollMs` (25 s by default), or every quiet poll is an `ERR_SILENT`.
 */
export const poll: ClientWire = {
  name: "poll",
  sendsHeaders: true,
  idleTimeoutMs: 45_000,
  open: (request, events) =>
    openFetch("poll", "application/json", request, events, async (response) => {
      events.received(parseItems([await response.text()], request.parse).flat());
    }),
};
