/**
 * Topic names and positions: their checks, their grammar, and their text.
 *
 * PROTOCOL.md, section 2, fixes the bytes. Clients keep positions and any process may read them, so neither the grammar
 * nor its limits may change without a new version of the protocol. The parsers here read text that strangers send.
 */

import { CometError, describe } from "../core/errors.ts";

/** The longest topic name, in UTF-16 code units. */
export const MAX_TOPIC_LENGTH = 200;

/** A place in one topic: after the message with this offset, in this epoch. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The places that a client's position names, by topic. */
export type Positions = ReadonlyMap<string, Position>;

const epochAndOffset = /^([A-Za-z0-9]{1,32})\.(0|[1-9]\d{0,15})$/;

/**
 * The characters of `encodeURIComponent`, and of other encoders that write a name differently. None of them could end a
 * name.
 */
const encodedName = /^[\w.!~*'()%-]+$/;

const forbiddenInNames = /[\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/**
 * Checks a topic's name: 1 to 200 UTF-16 code units, no control characters, no lone surrogates.
 *
 * @throws {CometError} `ERR_TOPIC` otherwise.
 */
export function checkTopicName(name: unknown): string {
  if (typeof name === "string" && isTopicName(name)) return name;
  throw new CometError(
    "ERR_TOPIC",
    `A topic's name must be a string of 1 to ${MAX_TOPIC_LENGTH} characters without control characters, not ${describe(name)}.`,
  );
}

function isTopicName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_TOPIC_LENGTH && !forbiddenInNames.test(name);
}

/** Returns the beginning of a topic's positions, up to the offset. */
export function positionPrefix(topic: string, epoch: string): string {
  return `${encodeURIComponent(topic)}=${epoch}.`;
}

/** Returns the offset of a hub's own position in one topic. */
export function offsetOf(position: string): number {
  return Number(position.slice(position.lastIndexOf(".") + 1));
}

/**
 * Parses a client's position: PROTOCOL.md, section 2.
 *
 * @param maxLength The longest text accepted, in characters.
 * @throws {CometError} `ERR_POSITION` if it is malformed, or longer than `maxLength`.
 */
export function parsePositions(text: string, maxLength: number): Positions {
  if (text.length > maxLength) {
    throw new CometError("ERR_POSITION", `A position must have at most ${maxLength} characters, not ${text.length}.`);
  }
  const positions = new Map<string, Position>();
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const topic = decodeName(part.slice(0, Math.max(equals, 0)));
    const match = epochAndOffset.exec(part.slice(equals + 1));
    if (topic === undefined || match === null || positions.has(topic)) throw malformed(part);
    const offset = Number(match[2]);
    if (!Number.isSafeInteger(offset)) throw malformed(part);
    positions.set(topic, { epoch: match[1] as string, offset });
  }
  return positions;
}

function decodeName(encoded: string): string | undefined {
  if (!encodedName.test(encoded)) return undefined;
  try {
    const name = decodeURIComponent(encoded);
    return isTopicName(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

function malformed(part: string): CometError {
  return new CometError(
    "ERR_POSITION",
    `A position is topic=epoch.offset for each topic, joined by commas, with each topic once; ${describe(part)} is invalid.`,
  );
}
