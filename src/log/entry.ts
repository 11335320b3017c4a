import type { LoggedMessage } from "../wire/format.ts";

/** How much of a topic is remembered. A message leaves the log as soon as one of the bounds is passed. */
export interface LogBounds {
  /** How many messages. */
  readonly maxEntries: number;
  /** How many bytes of data, as JSON in UTF-8. A message that is larger alone is kept nevertheless. */
  readonly maxBytes: number;
  /** For how many milliseconds. */
  readonly maxAgeMs: number;
}

/** What is published. */
export interface Publication {
  readonly json: string;
  readonly text: string | undefined;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  /** The data as JSON in UTF-8. */
  readonly bytes: number;
}

/** A message in a log. */
export interface Entry extends LoggedMessage {
  readonly index: number;
  /** Its offset in its topic, as positions and brokers know it. */
  readonly offset: number;
  /** Where it stands among the messages of all topics of this process. */
  readonly order: number;
  /** When it was published, in milliseconds of the hub's clock. */
  readonly at: number;
  readonly bytes: number;
}
