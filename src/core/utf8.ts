const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Encodes a text in UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The number of UTF-16 code units that are counted at once. Each has at most three bytes in UTF-8. */
const PIECE = 2048;
/** The target for texts that are only counted: encoding natively costs a fraction of a loop over the units. */
const scratch = new Uint8Array(PIECE * 3);

/** Counts the bytes of a text in UTF-8. A lone surrogate counts as U+FFFD, which replaces it. */
export function utf8Length(text: string): number {
  if (text.length <= PIECE) return encoder.encodeInto(text, scratch).written;
  let [bytes, at] = [0, 0];
  while (at < text.length) {
    const last = text.charCodeAt(at + PIECE - 1);
    // Never splits a surrogate pair.
    const end = at + PIECE - (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
    bytes += encoder.encodeInto(text.slice(at, end), scratch).written;
    at = end;
  }
  return bytes;
}

/**
 * Returns a copy of a text. V8 keeps a whole text in memory for a part that was cut out of it, such as an identity out
 * of a URL. A lone surrogate becomes U+FFFD.
 */
export function copyText(text: string): string {
  return decoder.decode(utf8(text));
}
