import { CometError, describe } from "../../core/errors.ts";
import type { Entry } from "../../log/entry.ts";
import type { OlderMessages, OlderPage } from "../../log/older.ts";
import { offsetOf, parsePositions, type Position } from "../../log/position.ts";
import { isStart, parseStart, startIndex, type Start } from "../../log/start.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../../stream/run.ts";
import type { TopicEnd } from "../../wire/item.ts";
import type { JsonValue } from "../../wire/json.ts";
import type { TopicMessage } from "../topic.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { OlderStart, OlderStarts } from "./older-start.ts";
import type { Topics } from "./topics.ts";

/**
 * One run of `Topic.messages`: a cursor in the topic's log. Nothing is queued for it. It ends when the hub is closed.
 *
 * It follows the rules of `Run`: `poll` never waits, `close` is called exactly once, and it must remove its reader
 * there, or the topic is never evicted. It must never skip messages silently: a reader that the log has passed fails
 * with `ERR_OVERFLOW`, and the first message says how many are missing before it.
 */
export class LogReader implements Run<TopicMessage<JsonValue>> {
  readonly #topic: LiveTopic;
  readonly #wake: Wake;
  readonly #isClosed: () => boolean;
  /** The index of the last message read, and its offset; `undefined` while it waits for the log. */
  #cursor: number | undefined;
  #offset = 0;
  #epoch = "";
  /** The page that it reads while it is behind the log, and whether one is on its way. */
  #page: OlderPage | undefined;
  #isLoading = false;
  /** The number of messages missing before the next one, `null` if it is unknown; `undefined` where none is missing. */
  #missed: number | null | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isClosedByReader = false;

  /**
   * @param from A start or a position; by default `newest`, or `oldest` of a topic that ends.
   * @param isClosed Whether the hub is closed.
   * @throws {CometError} `ERR_OPTION`, `ERR_POSITION`, `ERR_OVERFLOW`, and the codes of `Topics.getOrCreate`.
   */
  constructor(topics: Topics, name: string, from: string | undefined, wake: Wake, isClosed: () => boolean) {
    const [topic] = topics.getOrCreate([name]) as [LiveTopic];
    this.#topic = topic;
    this.#wake = wake;
    this.#isClosed = isClosed;
    const begin = from === undefined ? topic.defaultStart : parseFrom(topic, from);
    const ready = isPosition(begin)
      ? topics.whenReady([topic], new Map([[name, begin]]))
      : topics.whenReady([topic], new Map(), begin);
    if (ready === undefined) this.#begin(begin);
    else void this.#beginWhenReady(ready, begin);
    topic.addReader(wake);
  }

  poll(): Step<TopicMessage<JsonValue>> {
    const { log } = this.#topic;
    if (this.#topic.isForgotten) throw forgotten(log.topic);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#cursor === undefined) return this.#isClosed() ? END : WAIT;
    if (this.#cursor < log.floor) {
      const step = this.#pollOlder();
      if (step !== undefined) return step;
    }
    if (this.#cursor < log.head) return this.#take(log.entry(this.#cursor + 1), this.#cursor + 1);
    if (log.ended !== undefined) return afterEnd(log.ended);
    return this.#isClosed() ? END : WAIT;
  }

  close(): void {
    this.#isClosedByReader = true;
    this.#topic.removeReader(this.#wake);
  }

  /** Returns the next message, or the end of the run. */
  #take(message: TakenMessage, index: number): Step<TopicMessage<JsonValue>> {
    if (message.ended !== undefined) return afterEnd(message.ended);
    this.#cursor = index;
    this.#offset = message.offset;
    const missed = this.#missed;
    this.#missed = undefined;
    return messageOf(message, missed);
  }

  /** Returns the next step of a reader that is behind the log; `undefined` once it has reached the log. */
  #pollOlder(): Step<TopicMessage<JsonValue>> | undefined {
    const { log } = this.#topic;
    const { older } = log;
    if (older === undefined || this.#epoch !== log.epoch) throw overflow(log.missed(this.#cursor ?? 0, log.floor));
    while (this.#offset < log.floorOffset) {
      const offset = this.#offset;
      if (this.#page?.covers(offset) !== true) this.#page = older.page(offset);
      if (this.#page === undefined) {
        void this.#load(older, offset);
        return WAIT;
      }
      const { floor, messages, through } = this.#page;
      if (floor > offset) throw overflow(log.isDense ? floor - offset : null);
      const message = messages[this.#page.firstAfter(offset)];
      if (message !== undefined) return this.#take(message, log.placeOf(message.offset));
      this.#offset = through;
    }
    this.#page = undefined;
    this.#cursor = log.placeOf(this.#offset);
    return undefined;
  }

  async #load(older: OlderMessages, after: number): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    try {
      this.#page = await older.load(after);
    } catch (error) {
      this.#failure = { error };
    }
    this.#isLoading = false;
    if (!this.#isClosedByReader) this.#wake();
  }

  async #beginWhenReady(ready: Promise<OlderStarts>, from: Position | Start): Promise<void> {
    try {
      const starts = await ready;
      this.#begin(from, starts.get(this.#topic.name));
    } catch (error) {
      this.#failure = { error };
    }
    if (!this.#isClosedByReader) this.#wake();
  }

  /** @throws {CometError} `ERR_OVERFLOW` if the log does not know a position. */
  #begin(from: Position | Start, older?: OlderStart): void {
    const { log } = this.#topic;
    this.#epoch = log.epoch;
    if (older !== undefined) {
      if (isPosition(from) && older.missed !== undefined) throw overflow(older.missed);
      this.#offset = older.after;
      this.#cursor = log.placeOf(this.#offset);
      this.#missed = older.missed;
      return;
    }
    if (isPosition(from)) {
      this.#cursor = log.indexOf(from.epoch, from.offset);
      this.#offset = from.offset;
      if (this.#cursor !== undefined) return;
      const why = "from is a position of another epoch, so the messages after it are unknown.";
      throw new CometError("ERR_OVERFLOW", why);
    }
    const index = startIndex(log, from, log.head);
    this.#cursor = Math.max(index ?? log.floor, log.floor);
    if (index === undefined) this.#missed = null;
    else if (index < log.floor) this.#missed = log.missed(index, log.floor);
    this.#offset = offsetOf(log.position(this.#cursor));
  }
}

/** A message of the log, or an older one. */
type TakenMessage = Pick<Entry, "id" | "json" | "event" | "key" | "messageId" | "ended" | "offset">;

/** Returns the start or the position that `from` is. @throws {CometError} `ERR_OPTION`, `ERR_POSITION`. */
function parseFrom({ name }: LiveTopic, from: unknown): Position | Start {
  if (typeof from !== "string") throw new CometError("ERR_OPTION", `from must be a string, not ${describe(from)}.`);
  if (isStart(from)) return parseStart(from, "ERR_OPTION");
  const position = parsePositions(from, Infinity).get(name);
  if (position !== undefined) return position;
  throw new CometError("ERR_POSITION", "from must be newest, oldest, last:N, since:TIME or a position of this topic.");
}

function isPosition(from: Position | Start): from is Position {
  return typeof from === "object" && "epoch" in from;
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

function messageOf(
  { id, json, event, key, messageId }: TakenMessage,
  missed: number | null | undefined,
): TopicMessage<JsonValue> {
  return {
    position: id,
    ...(event === undefined ? {} : { event }),
    ...(key === undefined ? {} : { key }),
    ...(messageId === undefined ? {} : { messageId }),
    ...(missed === undefined ? {} : { missed }),
    data: JSON.parse(json) as JsonValue,
  };
}
