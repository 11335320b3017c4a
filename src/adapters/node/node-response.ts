/**
 * Answers the same questions for the responses of HTTP/1.1 and HTTP/2, whose types differ.
 *
 * A response that waits behind another on its connection gets no `close`, before Node 24, when the connection closes.
 * Keep both checks of the socket until Node 22 is no longer supported.
 */

import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";

/** A response of `node:http`, `node:https` or `node:http2` (its compatibility API). */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** RST_STREAM's INTERNAL_ERROR (RFC 9113, section 7). */
const HTTP2_INTERNAL_ERROR = 2;

/** Returns whether nothing that is written can reach the client any more. */
export function isGone(response: NodeResponse): boolean {
  if (response.destroyed || response.writableEnded) return true;
  // Before Node 24 a response that waits behind another on its connection does not learn that the connection has
  // closed.
  return "stream" in response ? response.stream.destroyed : response.req.socket.destroyed;
}

/** Breaks a response off, so that the client sees that it is incomplete. */
export function destroyResponse(response: NodeResponse): void {
  if ("stream" in response) response.stream.close(HTTP2_INTERNAL_ERROR);
  else response.destroy();
}

/** Calls `onClose` when a response is over for any reason, perhaps more than once. */
export function watchClose(response: NodeResponse, onClose: () => void): void {
  response.on("close", onClose);
  if ("stream" in response || response.socket !== null) return;
  // Before Node 24 a response that waits behind another on its connection does not learn that the connection has
  // closed.
  const { socket } = response.req;
  socket.once("close", onClose);
  response.once("close", () => socket.off("close", onClose));
}
