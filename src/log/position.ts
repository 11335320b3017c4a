import { CometError, describe } from "../core/errors.ts";

/** The longest topic name, in UTF-16 code units. */
export const MAX_TOPIC_LENGTH = 200;

/** A place in the log of one topic: after the message with this offset, in this epoch. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** A position: for each topic that it names, the place there. */
export type Positions = ReadonlyMap<string, Position>;

const epochAndOffset = /^([A-Za-z0-9]{1,32})\.(0|[1-9]\d{0,15})$/;

/** As `encodeURIComponent` writes a name: what another encoder writes otherwise is taken as well, but nothing that could end a name. */
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

/** What a topic's positions begin with, up to the offset. */
export function positionPrefix(topic: string, epoch: string): string {
  return `${encodeURIComponent(topic)}=${epoch}.`;
}

/**
 * Reads a position: PROTOCOL.md, section 2.
 *
 * @throws {CometError} `ERR_POSITION` if it is malformed, or longer than `maxLength` characters.
 */
export function parsePositions(text: string, maxLength: number): Positions {
  if (text.length > maxLength) {
    throw new CometError("ERR_POSITION", `A position has at most ${maxLength} characters, not ${text.length}.`);
  }
  const position = new Map<string, Position>();
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const topic = decodeName(part.slice(0, Math.max(equals, 0)));
    const place = epochAndOffset.exec(part.slice(equals + 1));
    if (topic === undefined || place === null || position.has(topic)) throw malformed(part);
    const offset = Number(place[2]);
    if (!Number.isSafeInteger(offset)) throw malformed(part);
    position.set(topic, { epoch: place[1] as string, offset });
  }
  return position;
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
    `A position is topic=epoch.offset for each topic once, joined by commas; ${describe(part)} is no part of one.`,
  );
}
