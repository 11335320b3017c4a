let bytesOfBuffer: Uint8Array | undefined;
let buffer: Buffer = Buffer.alloc(0);

/**
 * Returns bytes as a `Buffer`. The same bytes go to one client after another, and a stream of Node would make a
 * `Buffer` of them each time.
 */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes !== bytesOfBuffer) {
    bytesOfBuffer = bytes;
    buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  return buffer;
}
