import { addressOf, parsed, type ClientWire } from "../wire.ts";
import { openFrame } from "./frame.ts";

/**
 * The forever iframe from another origin, or in a sandbox: it posts messages, which only a page of this page's origin
 * is given, and which are taken only from this very frame. The hub must allow this page's origin (its option `cors`).
 */
export function postedComet({ sandbox = false }: { readonly sandbox?: boolean } = {}): ClientWire {
  return {
    name: "comet",
    isPossible: () => typeof document === "object",
    open: (request, events) => {
      const address = addressOf(request, { wire: "comet", mode: "managed", target: location.origin });
      const { frame, ran, close } = openFrame(address, events);
      const sender = sandbox ? "null" : request.url.origin;
      const listen = ({ source, origin, data }: MessageEvent<readonly string[]>): void => {
        if (source === null || source !== frame.contentWindow || origin !== sender) return;
        ran(data);
        events.received(parsed(data));
      };
      if (sandbox) frame.sandbox.add("allow-scripts");
      addEventListener("message", listen);
      return () => {
        removeEventListener("message", listen);
        close();
      };
    },
  };
}
