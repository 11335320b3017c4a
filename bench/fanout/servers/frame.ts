/** An SSE frame as the hub writes it: what the controls send is byte for byte as long as what ours sends. */
export function sseFrame(message: string, id: number): string {
  return `id: bench=abcdefghi.${id}\ndata: ${message}\n\n`;
}

/** The same in chunked coding (RFC 9112, 7.1), for what writes to sockets by itself. */
export function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

/** The head of an SSE response. */
export const sseHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store, no-transform",
  "x-content-type-options": "nosniff",
  "x-accel-buffering": "no",
} as const;
