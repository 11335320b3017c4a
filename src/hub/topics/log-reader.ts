import { CometError, describe } from "../../core/errors.ts";
import type { Entry } from "../../log/entry.ts";
import { parsePositions, type Position } from "../../log/position.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../../stream/run.ts";
import type { TopicEnd } from "../../wire/item.ts";
import type { JsonValue } from "../../wire/json.ts";
import type { TopicMessage } from "../topic.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { Topics } from "./topics.ts";

/**
 * One run of `Topic.messages`: a cursor in the topic's log. Nothing is queued for it. It ends when the hub is closed.
 *
 * It follows the rules of `Run`: `poll` never waits, `close` is called exactly once, and it must remove its reader
 * there, or the topic is never evicted. A reader that the log has passed fails with `ERR_OVERFLOW`; it must never skip
 * messages silently.
 */
export class LogReader implements Run<TopicMessage<JsonValue>> {
  readonly #topic: LiveTopic;
  readonly #wake: Wake;
  readonly #isClosed: () => boolean;
  /** The index of the last message read; `undefined` while it waits for the log. */
  #cursor: number | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isClosedByReader = false;

  /**
   * @param from `newest`, `oldest` or a position.
   * @param isClosed Whether the hub is closed.
   * @throws {CometError} `ERR_POSITION`, `ERR_OVERFLOW`, and the codes of `Topics.getOrCreate`.
   */
  constructor(topics: Topics, name: string, from: string, wake: Wake, isClosed: () => boolean) {
    const [topic] = topics.getOrCreate([name]) as [LiveTopic];
    this.#topic = topic;
    this.#wake = wake;
    this.#isClosed = isClosed;
    const position = positionIn(topic, from);
    const ready = topics.whenReady(topic, position);
    if (ready === undefined) this.#cursor = cursorAt(topic, from, position);
    else void this.#beginWhenReady(ready, from, position);
    topic.addReader(wake);
  }

  poll(): Step<TopicMessage<JsonValue>> {
    const { log } = this.#topic;
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#topic.isForgotten) throw forgotten(log.topic);
    if (this.#cursor === undefined) return this.#isClosed() ? END : WAIT;
    if (this.#cursor < log.floor) throw overflow(log.missed(this.#cursor, log.floor));
    if (this.#cursor < log.head) {
      const entry = log.entry(this.#cursor + 1);
      if (entry.ended !== undefined) return afterEnd(entry.ended);
      this.#cursor += 1;
      return messageOf(entry);
    }
    if (log.ended !== undefined) return afterEnd(log.ended);
    return this.#isClosed() ? END : WAIT;
  }

  close(): void {
    this.#isClosedByReader = true;
    this.#topic.removeReader(this.#wake);
  }

  async #beginWhenReady(ready: Promise<void>, from: string, position: Position | undefined): Promise<void> {
    try {
      await ready;
      this.#cursor = cursorAt(this.#topic, from, position);
    } catch (error) {
      this.#failure = { error };
    }
    if (!this.#isClosedByReader) this.#wake();
  }
}

/** Returns the position that `from` is, if it is one. @throws {CometError} `ERR_POSITION`. */
function positionIn({ name }: LiveTopic, from: string): Position | undefined {
  if (from === "newest" || from === "oldest") return undefined;
  const position = parsePositions(from, Infinity).get(name);
  if (position === undefined) {
    throw new CometError("ERR_POSITION", "from must be newest, oldest or a position of this topic.");
  }
  return position;
}

function cursorAt({ log }: LiveTopic, from: string, position: Position | undefined): number {
  if (position === undefined) return from === "oldest" ? log.floor : log.head;
  const index = log.indexOf(position.epoch, position.offset);
  if (index !== undefined) return index;
  const why = "from is a position of another epoch, so the messages after it are unknown.";
  throw new CometError("ERR_OVERFLOW", why);
}

/** Ends a run at the end of its topic. @throws {CometError} `ERR_FAILED` if the topic has failed. */
function afterEnd({ topic, outcome, code, message }: TopicEnd): typeof END {
  if (outcome !== "failed") return END;
  const why = `The topic ${describe(topic)} has failed: ${message ?? ""} (${code ?? ""})`;
  throw new CometError("ERR_FAILED", why);
}

function forgotten(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `The topic ${describe(name)} was deleted, or has expired.`);
}

function overflow(missed: number | null): CometError {
  return new CometError(
    "ERR_OVERFLOW",
    `The reader is too slow: the log has trimmed ${missed ?? "some"} messages that it has not read.`,
  );
}

function messageOf({ id, json, event, key, messageId }: Entry): TopicMessage<JsonValue> {
  return {
    position: id,
    ...(event === undefined ? {} : { event }),
    ...(key === undefined ? {} : { key }),
    ...(messageId === undefined ? {} : { messageId }),
    data: JSON.parse(json) as JsonValue,
  };
}
