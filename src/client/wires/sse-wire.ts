import { addressOf, connectionLost, parseItems, type ClientWire } from "../client-wire.ts";

/**
 * The wire `sse`: the browser's own `EventSource`. It cannot send headers, and a refusal gives no reason.
 *
 * It closes the `EventSource` on each error. Otherwise the browser would reconnect too, with a position of its own.
 */
export const sse: ClientWire = {
  name: "sse",
  isPossible: () => typeof EventSource === "function",
  open: (request, events) => {
    const source = new EventSource(addressOf(request, { wire: "sse", mode: "managed" }), request as EventSourceInit);
    source.onmessage = ({ data }: MessageEvent<string>) => events.received(parseItems(data.split("\n")));
    source.onerror = () => {
      source.close();
      events.broken(connectionLost);
    };
    return () => source.close();
  },
};
