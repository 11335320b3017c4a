import type { CometCloseEvent, CometErrorEvent } from "./comet-events.ts";
import type { Follower } from "./follower.ts";

/** A reader with this number of messages waiting, beside those that it reads, is full. */
const MAX_WAITING = 500;

/** The callback of a reader: called with each message, and without one at the end. */
type Read<Message> = (message?: Message) => void;

/** The state that the readers of one source share. */
export interface ReaderGroup<Message> {
  readonly follower: Follower;
  readonly open: Set<Read<Message>>;
  /** The open readers that are full. While there are any, the follower is stopped: the hub's log is the buffer. */
  readonly full: Set<Read<Message>>;
  /** Set when the source is over, with the event that has closed it as `failed`: the fatal error, or the `close`. */
  over?: { readonly cause: Partial<CometErrorEvent & CometCloseEvent> | undefined };
}

/**
 * Opens a reader, which iterates over the messages of a source from now on.
 *
 * It is no async generator: a generator takes several microtasks for each message, and they cost more than everything
 * else that the client does for it.
 */
export function openReader<Message>(group: ReaderGroup<Message>): AsyncIterableIterator<Message, void, undefined> {
  const { follower, open, full } = group;
  /** The messages that are being read, and the index of the next one. */
  let batch: readonly Message[] = [];
  let index = 0;
  /** The messages after the batch. */
  let waiting: Message[] = [];
  /** Set while a call of `next` waits for a message. */
  let woken: Promise<void> | undefined;
  let wake: (() => void) | undefined;

  const read: Read<Message> = (message) => {
    // A later task: a reader that keeps up has read everything by then, however many messages arrive at once.
    if (message && waiting.push(message) === MAX_WAITING) setTimeout(checkFull);
    wake?.();
    wake = woken = undefined;
  };

  function checkFull(): void {
    if (waiting.length < MAX_WAITING) return;
    full.add(read);
    follower.stop();
  }

  function takeBatch(): void {
    batch = waiting;
    waiting = [];
    index = 0;
    if (full.delete(read) && full.size === 0 && !group.over) follower.start();
  }

  async function next(): Promise<IteratorResult<Message, void>> {
    while (open.has(read)) {
      if (index >= batch.length) takeBatch();
      const value = batch[index++];
      if (value) return { value, done: false };
      if (group.over) {
        const { cause } = group.over;
        void end();
        if (!cause) break;
        const { code = "ERR_ENDED", detail = cause.reason } = cause;
        throw Object.assign(new Error(detail, { cause }), { code });
      }
      await (woken ??= new Promise((resolve) => (wake = resolve)));
    }
    return { value: undefined, done: true };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- an iterator's methods return promises.
  async function end(): Promise<IteratorReturnResult<void>> {
    open.delete(read);
    takeBatch();
    read();
    return { value: undefined, done: true };
  }

  open.add(read);
  return {
    next,
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
