// Checked against the installed tarball, with its declarations checked too.
import {
  chunked,
  comet,
  CometError,
  Enumeratee,
  Enumerator,
  html,
  type Channel,
  Hub,
  type CometMessage,
  type Html,
  type Subscription,
  type Topic,
} from "comet-sockets";
import { nodeHandler, sendChunked, type ChunkedOutcome } from "comet-sockets/node";
import { Enumerator as Same } from "comet-sockets/stream";
import type { IncomingMessage, ServerResponse } from "node:http";

const events: Enumerator<string> = Same.unicast((channel: Channel<string>) => void channel.push("kiki"));
const pages: Enumerator<Html> = events.through(Enumeratee.map((event) => html`<b>${event}</b>`));
const encoder: CometMessage<Date> = (date) => date.toISOString();
export const response: Response = chunked(events.through(comet({ callback: "console.log" })));
export const outcome = (res: ServerResponse): Promise<ChunkedOutcome> => sendChunked(res, pages);
export const dates: Enumerator<Html> = Enumerator.of(new Date()).through(comet({ callback: "f", encoder }));
export const code = (error: unknown): string => (error instanceof CometError ? error.code : "");
// @ts-expect-error a Date needs an encoder
Enumerator.of(new Date()).through(comet({ callback: "f" }));

const hub = new Hub({ onOpen: (subscription: Subscription) => subscription.close("gone") });
export const topic: Topic<{ title: string }> = hub.topic<{ title: string }>("news");
export const position: Promise<string> = topic.publish({ title: "x" }, { key: "k" });
export const live = (request: Request): Promise<Response> => hub.fetch(request);
export const served = (req: IncomingMessage, res: ServerResponse): Promise<void> => nodeHandler(hub)(req, res);
// @ts-expect-error a Date needs an encoder
hub.topic<Date>("dates");
