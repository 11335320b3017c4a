import { addressOf, connectionLost, parseItems, type ClientWire } from "../client-wire.ts";

/**
 * The wire `sse`: the browser's own `EventSource`. It cannot send headers, and a refusal gives no reason.
 *
 * It closes the `EventSource` on each error. Otherwise the browser would reconnect too, with a position of its own.
 *
 * An error is fatal if the browser itself does not reconnect, unless the client has a position. Then it had a stream
 * before: a proxy answers with an error while the hub restarts, and Firefox gives up whenever it cannot connect.
 */
export const sse: ClientWire = {
  name: "sse",
  isPossible: () => typeof EventSource === "function",
  open: (request, events) => {
    const lose = (isFinal: boolean): void => events.broken({ ...connectionLost, retryMs: isFinal ? null : 0 });
    try {
      const source = new EventSource(addressOf(request, { wire: "sse", mode: "managed" }), request as EventSourceInit);
      source.onmessage = ({ data }: MessageEvent<string>) =>
        events.received(parseItems(data.split("\n"), request.parse));
      source.onerror = () => {
        const { readyState } = source;
        source.close();
        lose(readyState === 2 && !request.position);
      };
      return () => source.close();
    } catch {
      // WebKit throws if the page's policy forbids the connection.
      queueMicrotask(() => lose(true));
      return () => undefined;
    }
  },
};
