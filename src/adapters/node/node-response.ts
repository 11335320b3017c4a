/** Answers the same questions for the requests and responses of HTTP/1.1 and HTTP/2, whose types differ. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { CometError } from "../../core/errors.ts";

/** A response of `node:http`, `node:https` or `node:http2` (its compatibility API). */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** A request of `node:http`, `node:https` or `node:http2` (its compatibility API). */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** RST_STREAM's INTERNAL_ERROR (RFC 9113, section 7). */
const HTTP2_INTERNAL_ERROR = 2;

/** Returns whether the client has disconnected, or the response was broken off. */
export function isDisconnected(response: NodeResponse): boolean {
  if ("stream" in response) return response.destroyed || response.stream.destroyed;
  const { socket } = response;
  // Node ends its side of a connection when the client has ended its own. `close` follows.
  return response.destroyed || socket?.destroyed === true || socket?.writableEnded === true;
}

/** Returns whether nothing that is written can reach the client any more. */
export function isGone(response: NodeResponse): boolean {
  return response.writableEnded || isDisconnected(response);
}

/**
 * Discards the body of a request, unless other code reads it.
 *
 * A body that is not read stays in memory, and Node stops reading the connection: it then notices no reset.
 */
export function discardBody(request: NodeRequest): void {
  const { headers } = request;
  const hasBody =
    "stream" in request
      ? !request.stream.endAfterHeaders
      : headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
  if (hasBody && request.readableFlowing === null) request.resume();
}

/** Breaks a response off, so that the client sees that it is incomplete. */
export function destroyResponse(response: NodeResponse): void {
  if ("stream" in response) response.stream.close(HTTP2_INTERNAL_ERROR);
  else response.destroy();
}

/**
 * Flushes middleware that buffers, such as `compression()`, which adds a method `flush` to the response. Without it the
 * client would get nothing until the buffer is full.
 */
export function flushMiddleware(response: NodeResponse): void {
  const { flush } = response as { readonly flush?: unknown };
  if (typeof flush === "function") Reflect.apply(flush, response, []);
}

/** Returns a header that is set on a response, as text. */
export function headerOf(response: NodeResponse, name: string): string | undefined {
  const value = response.getHeader(name);
  return value === undefined ? undefined : String(value);
}

/** The error of a response that other code has ended, while a stream, poll or source was still writing to it. */
export function endedByOther(): CometError {
  return new CometError(
    "ERR_RESPONSE",
    "Other code ended this response before its stream was over. If a framework ends responses by itself, turn that " +
      "off for this route, such as by ctx.respond = false in Koa, or by @Res() without passthrough in Nest.",
  );
}
