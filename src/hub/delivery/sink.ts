/**
 * The output of one connection: a Node response or socket, an HTTP/2 stream, the body of a web-standard `Response`.
 * Adapters implement it.
 *
 * A sink buffers at most its own high-water mark and one write more. The bytes are shared by many connections, and may be
 * a part of a larger block with those of others: a sink must not change them, nor give them to code that might, nor
 * transfer their memory.
 */
export interface Sink {
  /** Whether the sink takes bytes that are already in HTTP/1.1's chunked coding. */
  readonly isChunked: boolean;
  /**
   * Writes bytes.
   *
   * @returns Whether the sink takes more now. After `false` the adapter calls `OpenStream.drained` when it does.
   */
  write(bytes: Uint8Array): boolean;
  /** Writes the last bytes, and ends the response after them. */
  end(bytes: Uint8Array): void;
  /** Breaks the response off, so that the client sees that it is incomplete. */
  destroy(): void;
  /** The object by which a `BatchSender` knows this sink. A sink without it is always written to on its own. */
  readonly batchKey?: object | undefined;
  /**
   * Returns the bytes that a `BatchSender` sends for a pass, where they are others. They count as written: the caller
   * must send them.
   */
  encode?(bytes: Uint8Array): Uint8Array;
}

/** The open stream of one response, as the adapter that has its sink sees it. */
export interface OpenStream {
  /** Whether the stream has ended. Its response may still be on its way. */
  readonly over: boolean;
  /** Notes that the sink takes bytes again. */
  drained(): void;
  /** Notes that the sink is closed: by the client, or by an error. It is idempotent. */
  gone(reason?: "client" | "error"): void;
}
