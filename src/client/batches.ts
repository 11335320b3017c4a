import { assertFunction } from "../core/options.ts";
import type { AnyEvents, BareSource, EventOf } from "./bare-source.ts";
import type { CometSource } from "./comet-source.ts";

/** A batch with this number of messages is delivered before its frame, so that a page which renders none stays bounded. */
const MAX_WAITING = 10_000;
/** The time between two batches where there are no frames, as in workers, in milliseconds. */
const FRAME_MS = 16;
/** A frame that is later than this is none: browsers render no hidden page, and no frame outside of the view. */
const LATE_FRAME_MS = 250;

/** Options of {@link batches}. A wrong one is an `ERR_OPTION`. */
export interface BatchOptions<Message, Type extends string = string> {
  /** The names of the messages to deliver. @default ["message"] */
  readonly types?: readonly Type[];
  /**
   * Returns the key of a message, such as a symbol or a row's id. A batch then has only the newest message of each key.
   * @default all messages are delivered
   */
  readonly latest?: (message: Message) => unknown;
}

/**
 * Delivers the messages of a source in batches, at most one a frame, to pages that render.
 *
 * A batch is delivered with the next frame. Where there is none, as in a worker or a hidden page, it is delivered by a
 * timer: after 16 ms, after 250 ms in a visible page without frames, and at most once a second where the browser slows
 * the timers of a hidden page. 10,000 waiting messages, or keys, are delivered at once. The order is that of arrival.
 *
 * The last batch is delivered after the source has closed, and before the returned function returns. The events of the
 * source itself, such as `gap`, are not delayed.
 *
 * @returns A function that delivers what is waiting, and stops. It is idempotent, and does not close the source.
 * @throws {CometError} `ERR_OPTION` if the callback or `latest` is no function.
 * @example
 * const stop = batches(source, (prices) => render(prices), { types: ["price"], latest: ({ data }) => data.symbol });
 */
export function batches<Events = AnyEvents, Type extends string = "message">(
  // The compiler infers the events of a class only from the class itself.
  source: CometSource<Events> | BareSource<Events>,
  callback: (messages: readonly EventOf<Events, Type>[]) => void,
  options: BatchOptions<EventOf<Events, NoInfer<Type>>, Type> = {},
): () => void {
  type Message = EventOf<Events, Type>;
  const { types = ["message" as Type], latest } = options;
  assertFunction("callback", callback);
  if (latest !== undefined) assertFunction("latest", latest);
  /** The waiting messages, by their keys. */
  let waiting = new Map<unknown, Message>();
  /** Cancels the delivery that is due. */
  let cancel: (() => void) | undefined;

  const deliver = (): void => {
    cancel?.();
    cancel = undefined;
    const messages = [...waiting.values()];
    waiting = new Map();
    if (messages.length > 0) callback(messages);
  };
  const add = (message: Message): void => {
    const key = latest ? latest(message) : message;
    // The newest message of a key takes its place in the order of arrival.
    waiting.delete(key);
    waiting.set(key, message);
    if (waiting.size === MAX_WAITING) deliver();
    else cancel ??= atNextFrame(deliver);
  };

  // The compiler cannot know that each of these names is one of the source's.
  const target = source as object as BareSource;
  for (const type of types) target.addEventListener(type, add as (message: unknown) => void);
  return () => {
    for (const type of types) target.removeEventListener(type, add as (message: unknown) => void);
    deliver();
  };
}

/** Calls a function with the next frame, or by a timer if there is none. @returns A function that cancels it. */
function atNextFrame(act: () => void): () => void {
  // Node and some workers have no frames, and workers have no document.
  const { document, requestAnimationFrame, cancelAnimationFrame } = globalThis as Partial<typeof globalThis>;
  const hasFrames = requestAnimationFrame !== undefined && document?.hidden !== true;
  const frame = hasFrames ? requestAnimationFrame(act) : 0;
  const timer = setTimeout(act, hasFrames ? LATE_FRAME_MS : FRAME_MS);
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame?.(frame);
  };
}
