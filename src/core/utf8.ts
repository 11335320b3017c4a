const encoder = new TextEncoder();

/** A text in UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

const beyondAscii = /[^\0-\x7f]/;

/** How many bytes a text has in UTF-8; a lone surrogate counts as the U+FFFD that it becomes. */
export function utf8Length(text: string): number {
  if (!beyondAscii.test(text)) return text.length;
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 || isPaired(text, i, unit) ? 1 : 2;
  }
  return bytes;
}

/** Whether a code unit is half of a pair, which together have four bytes. */
function isPaired(text: string, i: number, unit: number): boolean {
  if (unit >= 0xd800 && unit < 0xdc00) return isBetween(text.charCodeAt(i + 1), 0xdc00, 0xe000);
  return unit >= 0xdc00 && unit < 0xe000 && isBetween(text.charCodeAt(i - 1), 0xd800, 0xdc00);
}

function isBetween(unit: number, from: number, to: number): boolean {
  return unit >= from && unit < to;
}
