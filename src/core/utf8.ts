const encoder = new TextEncoder();

/** A text in UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** How many UTF-16 code units are counted at once. Each has at most three bytes in UTF-8. */
const PIECE = 2048;
/** Where texts are encoded that are only counted: natively, which costs a fraction of looking at each unit. */
const scratch = new Uint8Array(PIECE * 3);

/** How many bytes a text has in UTF-8; a lone surrogate counts as the U+FFFD that it becomes. */
export function utf8Length(text: string): number {
  if (text.length <= PIECE) return encoder.encodeInto(text, scratch).written;
  let [bytes, at] = [0, 0];
  while (at < text.length) {
    const last = text.charCodeAt(at + PIECE - 1);
    // A pair of surrogates is not parted.
    const end = at + PIECE - (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
    bytes += encoder.encodeInto(text.slice(at, end), scratch).written;
    at = end;
  }
  return bytes;
}
