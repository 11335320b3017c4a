/**
 * The parts of a gzip member (RFC 1952) that is put together from deflate blocks (RFC 1951).
 *
 * A member is {@link GZIP_HEAD}, blocks that each end at a byte, the last of them marked as such, and the trailer. Some
 * clients read the first member only, so a body is one member. All clients but two browsers check the trailer.
 */

/** The head of a member: deflate, no name, no time, an unknown system. */
export const GZIP_HEAD: Uint8Array = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);

/** The most bytes of a stored block, and the bytes that it takes besides them (RFC 1951, 3.2.4). */
const MAX_STORED = 65_535;
const STORED_HEAD = 5;

/** The number of bytes that stored blocks take. */
export function storedLength(length: number): number {
  return length + STORED_HEAD * Math.max(1, Math.ceil(length / MAX_STORED));
}

/**
 * Returns bytes as stored blocks, in pieces that are to be joined: the head of each block, and its bytes, which are not
 * copied. They refer to nothing.
 *
 * @param isLast Whether the member ends with them.
 */
export function storedBlocks(bytes: Uint8Array, isLast = false): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  do {
    const piece = bytes.subarray(from, from + MAX_STORED);
    from += piece.length;
    const head = new Uint8Array(STORED_HEAD);
    writeHead(head, 0, piece.length, isLast && from === bytes.length);
    pieces.push(head, piece);
  } while (from < bytes.length);
  return pieces;
}

/** Writes bytes as stored blocks into memory with room for them, from a place on. */
export function writeStored(memory: Uint8Array, at: number, bytes: Uint8Array): void {
  let place = at;
  let from = 0;
  do {
    const length = Math.min(MAX_STORED, bytes.length - from);
    place = writeHead(memory, place, length, false);
    memory.set(length === bytes.length ? bytes : bytes.subarray(from, from + length), place);
    place += length;
    from += length;
  } while (from < bytes.length);
}

/**
 * Writes the head of a stored block: whether it is the last of its member, its length, and the complement of that.
 * Returns the place after it.
 */
export function writeHead(memory: Uint8Array, at: number, length: number, isLast: boolean): number {
  memory[at] = isLast ? 1 : 0;
  memory[at + 1] = length & 255;
  memory[at + 2] = length >> 8;
  memory[at + 3] = ~length & 255;
  memory[at + 4] = (~length >> 8) & 255;
  return at + STORED_HEAD;
}

/** Returns the trailer of a member: the CRC-32 of its content, and the length of its content modulo 2^32. */
export function gzipTrailer(sum: number, length: number): Uint8Array {
  const trailer = new Uint8Array(8);
  const view = new DataView(trailer.buffer);
  view.setUint32(0, sum, true);
  view.setUint32(4, length % 2 ** 32, true);
  return trailer;
}

/** The polynomial of CRC-32. Bits are reflected: the highest one is the coefficient of x^0. */
const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;
const X = 0x40000000;

/** Multiplies two polynomials modulo that of CRC-32. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return product;
}

/** x to the power of 2^k, for each k below 32; after these they repeat. */
const powers: readonly number[] = powersOfX();

function powersOfX(): number[] {
  const list = [X];
  for (let power = X; list.length < 32; list.push(power)) power = multiply(power, power);
  return list;
}

/** Returns the CRC-32 that a text's checksum becomes in front of `length` further bytes, before theirs is added. */
function shiftSum(sum: number, length: number): number {
  let factor = ONE;
  // A byte is eight bits, so the exponents begin at 2^3.
  for (let rest = length, k = 3; rest > 0; rest = Math.floor(rest / 2), k += 1) {
    if (rest % 2 === 1) factor = multiply(powers[k % 32] as number, factor);
  }
  return multiply(factor, sum);
}

/** Returns the CRC-32 of two texts in a row, from their own ones and the length of the second in bytes. */
export function combineSums(first: number, second: number, secondLength: number): number {
  return (shiftSum(first, secondLength) ^ second) >>> 0;
}
