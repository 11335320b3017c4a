import { CometError } from "../../core/errors.ts";

/** The room for a request line, in characters: nginx takes 8 KiB by default. */
const MAX_ADDRESS_LENGTH = 8000;
/** The room for a request line and a position in a header: Node takes 16 KiB by default, with all other headers. */
const MAX_HEAD_LENGTH = 14_000;
/** The longest text after a name, with the comma before the next: `=`, an epoch of 32, a dot, an offset of 16. */
const EPOCH_AND_OFFSET = 51;

/**
 * Checks that a client can send back any position of these topics. Otherwise it would be refused, for good, when it
 * reconnects.
 *
 * @param address Returns the request's path and query, without its position.
 * @param isInAddress Whether a client has no other place for the position, as an iframe.
 * @throws {CometError} `ERR_POSITION` if it could become too long. One topic always fits.
 */
export function assertPositionFits(
  names: readonly string[],
  address: () => string,
  isInAddress: boolean,
  maxPositionLength: number,
): void {
  if (names.length === 1) return;
  const encoded = names.map(encodeURIComponent);
  const longest = lengthOf(encoded) + names.length * EPOCH_AND_OFFSET;
  if (longest > maxPositionLength) {
    throw new CometError("ERR_POSITION", `The position of these topics could exceed ${maxPositionLength} characters.`);
  }
  // In a query the marks that encodeURIComponent leaves take three characters, and so do `=` and `,`.
  const parameter = new URLSearchParams({ "": encoded.join("").replaceAll("%", " ") }).toString();
  const added = isInAddress ? parameter.length + names.length * (EPOCH_AND_OFFSET + 4) : longest;
  const room = isInAddress ? MAX_ADDRESS_LENGTH : MAX_HEAD_LENGTH;
  const { length } = address();
  // A longer request has arrived, so there is more room here.
  if (length > room || length + added <= room) return;
  throw new CometError(
    "ERR_POSITION",
    `The address of these topics with their position could exceed ${room} characters: follow fewer topics at once.`,
  );
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((length, text) => length + text.length, 0);
}
