import type { OutgoingHttpHeaders } from "node:http";
import { Http2ServerResponse, type ServerHttp2Stream } from "node:http2";
import type { OpenStream, Sink } from "../../hub/delivery/sink.ts";
import { asBuffer } from "./as-buffer.ts";
import { isNode } from "./is-node.ts";
import { destroyResponse, type NodeResponse } from "./node-response.ts";
import { closeConnection } from "./response-sinks.ts";

/**
 * Writes to the stream of an HTTP/2 response, past the response.
 *
 * The response sends its own head and its own end. Between them its `write` would check its own state, and then do no
 * more than this. `fits` must refuse every response whose `write` or `end` is not Node's own, or the bytes of a
 * middleware and of the hub mix.
 */
export class Http2Sink implements Sink {
  readonly isChunked = false;
  readonly #response: Http2ServerResponse;
  readonly #stream: ServerHttp2Stream;

  private constructor(response: Http2ServerResponse) {
    this.#response = response;
    this.#stream = response.stream;
  }

  /** Returns whether a response can be written to in this way: on Node itself, on HTTP/2, and changed by no other code. */
  static fits(response: NodeResponse): response is Http2ServerResponse {
    return (
      isNode &&
      response instanceof Http2ServerResponse &&
      response.write === Http2ServerResponse.prototype.write &&
      response.end === Http2ServerResponse.prototype.end
    );
  }

  /**
   * Sends the head, and opens a connection.
   *
   * @param report Called with an error if other code ends the response.
   */
  static open(
    response: Http2ServerResponse,
    head: OutgoingHttpHeaders,
    open: (sink: Sink) => OpenStream,
    report: (error: unknown) => void,
  ): void {
    response.writeHead(200, head);
    const connection = open(new Http2Sink(response));
    response.on("close", () => closeConnection(response, connection, report));
    response.on("drain", () => connection.drained());
  }

  write(bytes: Uint8Array): boolean {
    const stream = this.#stream;
    // Other code has ended the response. `close` follows.
    if (stream.writableEnded) return false;
    return stream.write(asBuffer(bytes));
  }

  end(bytes: Uint8Array): void {
    this.#response.end(bytes);
  }

  destroy(): void {
    destroyResponse(this.#response);
  }
}
