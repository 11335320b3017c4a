import { CometError, describe } from "../../core/errors.ts";

/**
 * A place in a stream: after the message with this number, in an epoch of its topic. The beginning has the number of the message before
 * the first one.
 */
export interface StreamPlace {
  readonly number: number;
  readonly epoch: string;
}

/** The epoch in the offset of a beginning, which is the same in every epoch. */
const ANY_EPOCH = "0";
const DIGITS = 16;
const form = /^(\d{16})_([A-Za-z0-9]{1,32})$/;

/** Writes a place as an offset of the protocol: an opaque text, in which a later place of a stream sorts after an earlier one. */
export function writeOffset({ number, epoch }: StreamPlace): string {
  return `${String(number).padStart(DIGITS, "0")}_${number === 0 ? ANY_EPOCH : epoch}`;
}

/**
 * Reads an offset.
 *
 * @returns The place; "begin" for `-1`; "now" for `now`.
 * @throws {CometError} `ERR_REQUEST` if it is no offset of this package.
 */
export function readOffset(text: string): StreamPlace | "begin" | "now" {
  if (text === "-1") return "begin";
  if (text === "now") return "now";
  const match = form.exec(text);
  const number = Number(match?.[1]);
  if (match === null || !Number.isSafeInteger(number)) {
    throw new CometError(
      "ERR_REQUEST",
      `An offset is -1, now or a Stream-Next-Offset of this server, not ${describe(text)}.`,
    );
  }
  return { number, epoch: match[2] as string };
}
