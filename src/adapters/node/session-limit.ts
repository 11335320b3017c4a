/**
 * Limits the requests that a handler serves at a time on one HTTP/2 connection.
 *
 * A client can open any number of streams on a connection, and with a flow-control window of 0 each of them buffers its
 * first bytes. A refused stream must hold nothing: it is reset, since even the body of a refusal waits for the window.
 */

import { constants, type Http2Session, type Http2ServerResponse } from "node:http2";

/** Counts the open requests of each HTTP/2 connection for one handler. */
export class SessionLimit {
  readonly #max: number;
  readonly #open = new WeakMap<Http2Session, number>();

  /** @param max The highest number of open requests of one connection. */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Counts a request until its stream closes, or refuses it: resets its stream with `REFUSED_STREAM`, after which the
   * client may send it again (RFC 9113, 8.7).
   *
   * @returns Whether the request may be served.
   */
  admit({ stream }: Http2ServerResponse): boolean {
    const { session } = stream;
    if (session === undefined) return false;
    const open = this.#open.get(session) ?? 0;
    if (open >= this.#max) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return false;
    }
    this.#open.set(session, open + 1);
    stream.on("close", () => this.#open.set(session, (this.#open.get(session) ?? 1) - 1));
    return true;
  }
}
