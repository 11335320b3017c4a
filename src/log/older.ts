import type { LoggedMessage } from "../wire/format.ts";

/** A message that a broker holds and the log of its topic does not. */
export interface OlderMessage extends LoggedMessage {
  readonly offset: number;
  /** The size of `json` in UTF-8 bytes. */
  readonly bytes: number;
  /** The time of publication in milliseconds of the hub's clock. */
  readonly at: number;
}

/** The contents of an {@link OlderPage}. */
export interface OlderPageInit {
  readonly after: number;
  readonly floor: number;
  readonly through: number;
  readonly messages: readonly OlderMessage[];
}

/** A page of the messages that a broker holds, read after an offset. It never changes. */
export class OlderPage {
  /** The requested offset. */
  readonly after: number;
  /** The offset after which the page begins. The messages between `after` and it are gone. */
  readonly floor: number;
  /** The offset up to which the page has every message after `floor`. */
  readonly through: number;
  /** In the order of their offsets. */
  readonly messages: readonly OlderMessage[];

  constructor({ after, floor, through, messages }: OlderPageInit) {
    this.after = after;
    this.floor = floor;
    this.through = through;
    this.messages = messages;
  }

  /** Whether a reader after this offset learns from the page what follows. */
  covers(offset: number): boolean {
    return offset === this.after || (offset >= this.floor && offset < this.through);
  }

  /** Returns the place in `messages` of the first message after an offset. */
  firstAfter(offset: number): number {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.messages[middle] as OlderMessage).offset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The messages of a topic that its broker holds before those of the log. */
export interface OlderMessages {
  /** Returns a page in memory that covers an offset. */
  page(after: number): OlderPage | undefined;

  /**
   * Reads the page after an offset from the broker.
   *
   * @returns Resolves to `undefined` if the topic has changed meanwhile, so that the caller must look again. Rejects with
   *   the broker's error if it could not be read.
   */
  load(after: number): Promise<OlderPage | undefined>;

  /** Drops the pages that were not read for some time, at a time of the hub's clock. */
  sweep(time: number): void;

  /** Drops all pages. */
  clear(): void;
}
