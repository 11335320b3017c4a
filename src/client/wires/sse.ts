import { addressOf, cut, receive, type ClientWire } from "../wire.ts";

/** The browser's own `EventSource`. It cannot send headers, and says nothing of why it was refused. */
export const sse: ClientWire = {
  name: "sse",
  sendsHeaders: false,
  isPossible: () => typeof EventSource === "function",
  open: (request, events) => {
    const source = new EventSource(addressOf(request, { wire: "sse", mode: "managed" }), request);
    source.onmessage = ({ data }: MessageEvent<string>) => receive(data === "" ? [] : data.split("\n"), events);
    source.onerror = () => {
      source.close();
      events.broken(cut);
    };
    return () => source.close();
  },
};
