/**
 * The records that a log holds and the bounds that it keeps.
 *
 * `LogBounds` is public. Entries are shared by all subscribers and never change once they are in a log.
 */

import type { LoggedMessage } from "../wire/format.ts";

/** The bounds of a topic's log. A message leaves the log as soon as one bound is exceeded. */
export interface LogBounds {
  /** The highest number of messages, from 1 to 16,777,216. @default 4096 */
  readonly maxEntries: number;
  /**
   * The size of the data, as JSON in UTF-8 bytes, from 1,024. A single message that is larger is kept nevertheless.
   *
   * @default 4_194_304
   */
  readonly maxBytes: number;
  /** The age of a message in milliseconds, from 1 to 2,147,483,647. @default 300_000 */
  readonly maxAgeMs: number;
}

/** A message that is checked and encoded, ready to be appended. */
export interface Publication {
  readonly json: string;
  readonly text: string | undefined;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  /** The size of `json` in UTF-8 bytes. */
  readonly bytes: number;
}

/** A message in a log. */
export interface Entry extends LoggedMessage {
  /** The message's place in this process's log: 1, 2, 3 ... */
  readonly index: number;
  /** The message's number in its topic, as positions and brokers know it. */
  readonly offset: number;
  /** The message's place among the messages of all topics of this process. */
  readonly order: number;
  /** The time of publication, in milliseconds of the hub's clock. */
  readonly at: number;
  /** The size of `json` in UTF-8 bytes. */
  readonly bytes: number;
}
