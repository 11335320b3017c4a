import { parsed, type ClientWire } from "../wire.ts";
import { ask } from "./ask.ts";

/** One answer after the other, each complete: for proxies that hold a stream back until it ends. */
export const poll: ClientWire = {
  name: "poll",
  sendsHeaders: true,
  // More than a server lets a poll wait.
  patienceMs: 45_000,
  open: (request, events) =>
    ask("poll", "application/json", request, events, async (response) => {
      events.received(parsed([await response.text()]).flat());
    }),
};
