/**
 * The bounds of a topic's log, a message on its way into the log, and a message in it.
 *
 * `LogBounds` is public: `hub/hub-options.ts` has its defaults and ranges, and checks them. All subscribers share the entries of a log:
 * never change one.
 */

import type { LoggedMessage } from "../wire/format.ts";
import type { TopicEnd } from "../wire/item.ts";

/** The bounds of a topic's log. While one of them is exceeded, the oldest message leaves; ages are checked when a message is appended, and by a sweep. */
export interface LogBounds {
  /** The highest number of messages, from 1 to 16,777,216. @default 4096 */
  readonly maxEntries: number;
  /**
   * The highest sum of the messages' data, as JSON in UTF-8 bytes: at least 1,024. Event names, keys and ids do not count. The newest
   * message stays, however large it is.
   *
   * @default 4_194_304
   */
  readonly maxBytes: number;
  /** The highest age of a message in milliseconds, from 1 to 2,147,483,647. @default 300_000 */
  readonly maxAgeMs: number;
}

/** A message that is checked and encoded, ready to be appended: a {@link LoggedMessage} that has no offset yet. */
export interface Publication {
  readonly json: string;
  readonly text: string | undefined;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  /** The size of `json` in UTF-8 bytes, which `maxBytes` sums up. */
  readonly bytes: number;
  /** The end of the topic, instead of a message. */
  readonly ended?: TopicEnd | undefined;
}

/** Returns the last entry of a log: the end of its topic, which has no data. */
export function endPublication(ended: TopicEnd): Publication {
  return { json: "", text: undefined, event: undefined, key: undefined, messageId: undefined, bytes: 0, ended };
}

/** The memory of a message besides its texts: its object, its position's text and its place in the ring. */
const ENTRY_OVERHEAD = 160;
/** The memory of each text besides its characters, and of a place in an index by key or by id. */
const TEXT_OVERHEAD = 20;
const INDEX_OVERHEAD = 50;

const beyondLatin1 = /[\u0100-\uffff]/;

/** Returns the memory that a message takes in a log, in bytes: an estimate, which a test holds against the real heap. */
export function heldBytes({ json, text, event, key, messageId, bytes, ended }: Publication): number {
  const isAscii = bytes === json.length;
  return (
    ENTRY_OVERHEAD +
    textBytes(json, isAscii) +
    textBytes(text, isAscii) +
    textBytes(event) +
    (key === undefined ? 0 : INDEX_OVERHEAD + textBytes(key)) +
    (messageId === undefined ? 0 : INDEX_OVERHEAD + textBytes(messageId)) +
    (ended === undefined ? 0 : INDEX_OVERHEAD + textBytes(ended.code) + textBytes(ended.message))
  );
}

/** JavaScript keeps a text in one byte a character, or in two if one of them is beyond Latin-1. */
function textBytes(text: string | undefined, isAscii = false): number {
  if (text === undefined) return 0;
  return TEXT_OVERHEAD + text.length * (!isAscii && beyondLatin1.test(text) ? 2 : 1);
}

/** A message in a log. Its three numbers are never interchangeable. */
export interface Entry extends LoggedMessage {
  /** Counts the messages of this topic's log in this process: 1, 2, 3 ... It never changes when older messages leave. */
  readonly index: number;
  /** The message's number in its topic, the same in all processes: positions name it, and a broker assigns it. */
  readonly offset: number;
  /** Counts the messages of all topics of this process, so that a connection to several topics gets them in order. */
  readonly order: number;
  /** The time of publication in milliseconds of `core/clock.ts`, which is not the wall clock. */
  readonly at: number;
  /** The size of `json` in UTF-8 bytes. */
  readonly bytes: number;
  /** The memory that it takes, in bytes: see {@link heldBytes}. */
  readonly held: number;
}
