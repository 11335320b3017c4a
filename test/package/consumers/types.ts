// Checked against the installed tarball, with its declarations checked too.
import {
  chunked,
  comet,
  CometError,
  Enumeratee,
  Enumerator,
  html,
  type Channel,
  type CometMessage,
  type Html,
} from "comet-sockets";
import { sendChunked, type ChunkedOutcome } from "comet-sockets/node";
import { Enumerator as Same } from "comet-sockets/stream";
import type { ServerResponse } from "node:http";

const events: Enumerator<string> = Same.unicast((channel: Channel<string>) => void channel.push("kiki"));
const pages: Enumerator<Html> = events.through(Enumeratee.map((event) => html`<b>${event}</b>`));
const encoder: CometMessage<Date> = (date) => date.toISOString();
export const response: Response = chunked(events.through(comet({ callback: "console.log" })));
export const outcome = (res: ServerResponse): Promise<ChunkedOutcome> => sendChunked(res, pages);
export const dates: Enumerator<Html> = Enumerator.of(new Date()).through(comet({ callback: "f", encoder }));
export const code = (error: unknown): string => (error instanceof CometError ? error.code : "");
// @ts-expect-error a Date needs an encoder
Enumerator.of(new Date()).through(comet({ callback: "f" }));
