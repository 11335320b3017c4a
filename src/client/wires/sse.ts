import { addressOf, cut, parsed, type ClientWire } from "../wire.ts";

/** The browser's own `EventSource`. It cannot send headers, and says nothing of why it was refused. */
export const sse: ClientWire = {
  name: "sse",
  isPossible: () => typeof EventSource === "function",
  open: (request, events) => {
    const source = new EventSource(addressOf(request, { wire: "sse", mode: "managed" }), request as EventSourceInit);
    source.onmessage = ({ data }: MessageEvent<string>) => events.received(parsed(data.split("\n")));
    source.onerror = () => {
      source.close();
      events.broken(cut);
    };
    return () => source.close();
  },
};
