import { addressOf, receive, type ClientWire } from "../wire.ts";

/** The browser's own `EventSource`. It cannot send headers, and says nothing of why it was refused. */
export const sse: ClientWire = {
  name: "sse",
  sendsHeaders: false,
  isPossible: () => typeof EventSource === "function",
  open: (request, events) => {
    const source = new EventSource(addressOf(request, "sse", { mode: "managed" }), request);
    source.onmessage = ({ data }: MessageEvent<string>) => receive(data === "" ? [] : data.split("\n"), events);
    source.onerror = () => {
      source.close();
      events.broken({ code: "ERR_NETWORK", detail: "The event stream broke off, or could not be had." });
    };
    return () => source.close();
  },
};
