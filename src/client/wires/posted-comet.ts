import { addressOf, type ClientWire } from "../client-wire.ts";
import { openFrame } from "./open-frame.ts";

/**
 * Creates a wire over a forever iframe of another origin, or in a sandbox, which posts its messages to the page.
 *
 * The hub must allow this page's origin (its option `cors`). Browsers deliver the messages only to a page of that
 * origin. The wire accepts them only from its own iframe and that iframe's origin: do not relax this check, since any
 * page can post messages.
 *
 * @param options.sandbox Whether the iframe is sandboxed, with `allow-scripts` alone. @default false
 */
export function postedComet(options: { readonly sandbox?: boolean } = {}): ClientWire {
  return {
    name: "comet",
    isPossible: () => typeof document === "object",
    open: (request, events) => {
      const address = addressOf(request, { wire: "comet", mode: "managed", target: origin });
      const { frame, receive, close } = openFrame(address, request, events);
      const sender = options.sandbox ? "null" : request.url.origin;
      const listen = ({ source, origin: from, data }: MessageEvent<readonly string[]>): void => {
        if (source === null || source !== frame.contentWindow || from !== sender) return;
        receive(data);
      };
      if (options.sandbox) frame.sandbox.add("allow-scripts");
      addEventListener("message", listen);
      return () => {
        removeEventListener("message", listen);
        close();
      };
    },
  };
}
