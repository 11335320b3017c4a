import { receive, type ClientWire, type Received } from "../wire.ts";
import { ask } from "./ask.ts";

/** One answer after the other, each complete: for proxies that hold a stream back until it ends. */
export const poll: ClientWire = {
  name: "poll",
  sendsHeaders: true,
  // More than a server lets a poll wait.
  patienceMs: 45_000,
  isPossible: () => typeof fetch === "function",
  open: (request, events) =>
    ask("poll", "application/json", request, events, async (response) => {
      const received = ([items]: readonly unknown[]): void => events.received(items as readonly Received[]);
      receive([await response.text()], { ...events, received });
    }),
};
