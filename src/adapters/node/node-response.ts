import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";

/** A response of `node:http`, `node:https` or `node:http2` (its compatibility API). */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** RST_STREAM's INTERNAL_ERROR (RFC 9113, section 7). */
const HTTP2_INTERNAL_ERROR = 2;

/** Whether nothing that is written can reach the client any more. */
export function isGone(response: NodeResponse): boolean {
  if (response.destroyed || response.writableEnded) return true;
  // A response that waits behind another on its connection is not told, before Node 24, that the connection has gone.
  return "stream" in response ? response.stream.destroyed : response.req.socket.destroyed;
}

/** Breaks a response off, so that the client sees that it is not complete. */
export function destroyResponse(response: NodeResponse): void {
  if ("stream" in response) response.stream.close(HTTP2_INTERNAL_ERROR);
  else response.destroy();
}

/** Calls back when a response is over, however; perhaps more than once. */
export function watchClose(response: NodeResponse, onClose: () => void): void {
  response.on("close", onClose);
  if ("stream" in response || response.socket !== null) return;
  // A response that waits behind another on its connection is not told, before Node 24, that the connection has gone.
  const { socket } = response.req;
  socket.once("close", onClose);
  response.once("close", () => socket.off("close", onClose));
}
