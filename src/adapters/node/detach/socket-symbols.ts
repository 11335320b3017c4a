import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Connection } from "../../../hub/delivery/connection.ts";

/** Which connection a socket or response belongs to: so one listener serves them all, and none is made for each. */
export const connectionOf: unique symbol = Symbol("comet-sockets.connection");
/** The response that is in its place on a socket. */
export const responseOf: unique symbol = Symbol("comet-sockets.response");
/** Whether the stream on a socket has been ended, and not only its client's side of it. */
export const hasEnded: unique symbol = Symbol("comet-sockets.hasEnded");

export interface MarkedSocket extends Socket {
  [connectionOf]?: Connection | undefined;
  [responseOf]?: ServerResponse | undefined;
  [hasEnded]?: boolean;
}

export interface MarkedResponse extends ServerResponse {
  [connectionOf]?: Connection | undefined;
}
