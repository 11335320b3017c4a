import type { IncomingMessage } from "node:http";

/**
 * The body of a request as text, or `undefined` as soon as it is larger than `maxBytes`. The rest is then discarded,
 * because a client may read no answer before it has sent the whole body. Rejects if the client disconnects.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
      else resolve(undefined);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString()));
    request.on("error", reject);
  });
}
