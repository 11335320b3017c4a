const alphabet = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The number of bytes that are turned into characters at once: an argument each. */
const PIECE = 8192;

/** Whether a text is base64 with its padding. An empty one is. */
export function isBase64(text: string): boolean {
  return alphabet.test(text);
}

/** Encodes bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += PIECE) binary += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(binary);
}

/** Decodes base64. Only of a text that {@link isBase64} accepts. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
