/**
 * The properties that this adapter adds to sockets and responses, under symbols.
 *
 * They replace closures: one listener serves all sockets, and a connection costs no listener of its own. Use them only
 * in this adapter; an application must never see or set them.
 */

import type { OpenStream } from "../../../hub/delivery/sink.ts";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The hub's connection that a socket or response belongs to. */
export const connectionOf: unique symbol = Symbol("comet-sockets.connection");
/** The response that is attached to a socket. */
export const responseOf: unique symbol = Symbol("comet-sockets.response");
/** The handler's error report of a response: see `closeConnection`. */
export const reportOf: unique symbol = Symbol("comet-sockets.report");
/** Whether this side has ended the stream on a socket, and not only the client its own side. */
export const hasEnded: unique symbol = Symbol("comet-sockets.hasEnded");

/** A socket with the properties of this adapter. */
export interface MarkedSocket extends Socket {
  [connectionOf]?: OpenStream | undefined;
  [responseOf]?: ServerResponse | undefined;
  [hasEnded]?: boolean;
}

/** A response with the properties of this adapter. */
export interface MarkedResponse extends ServerResponse {
  [connectionOf]?: OpenStream | undefined;
  [reportOf]?: (error: unknown) => void;
}
