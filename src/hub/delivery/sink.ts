/**
 * The output of one connection: a Node response or socket, an HTTP/2 stream, the body of a web-standard `Response`. Adapters implement it.
 *
 * A sink buffers at most its own high-water mark and one write more. Bytes that it is given are shared by many connections: it must not
 * change them.
 */
export interface Sink {
  /** Whether the sink takes bytes that are in HTTP/1.1's chunked coding already. */
  readonly isChunked: boolean;
  /** Takes bytes. Returns whether it takes more now; if not, the adapter calls `Connection.drained` when it does. */
  write(bytes: Uint8Array): boolean;
  /** Takes the last bytes, and ends the response after them. */
  end(bytes: Uint8Array): void;
  /** Breaks the response off. */
  destroy(): void;
}
