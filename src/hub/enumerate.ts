import { CometError } from "../core/errors.ts";
import type { Entry } from "../log/entry.ts";
import { parsePositions, type Position } from "../log/position.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../stream/run.ts";
import type { JsonValue } from "../wire/json.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { TopicMessage } from "./topic.ts";

/** What a reader needs of its hub. */
export interface LogRunHost {
  /** Whether there will be no more messages. */
  isClosed(): boolean;
  /** Waits until the log can tell what comes after a place; nothing where nothing waits. */
  whenReady(place: Position | undefined): Promise<void> | undefined;
  /** Told when the topic may have got its first follower, or lost its last. */
  changed(): void;
}

/** One reader of a topic's log on the server: a cursor, and nothing queued for it. */
export class LogRun implements Run<TopicMessage<JsonValue>> {
  readonly #topic: LiveTopic;
  readonly #wake: Wake;
  readonly #host: LogRunHost;
  /** Where it is; nothing while it waits for the log. */
  #cursor: number | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** @throws {CometError} `ERR_POSITION`, `ERR_OVERFLOW`. */
  constructor(topic: LiveTopic, from: string, wake: Wake, host: LogRunHost) {
    this.#topic = topic;
    this.#host = host;
    this.#wake = wake;
    const place = placeOf(topic, from);
    const ready = host.whenReady(place);
    if (ready === undefined) this.#cursor = cursorAt(topic, from, place);
    else void this.#beginLater(ready, from, place);
    topic.wakes.add(wake);
    host.changed();
  }

  poll(): Step<TopicMessage<JsonValue>> {
    const { log } = this.#topic;
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#cursor === undefined) return this.#host.isClosed() ? END : WAIT;
    if (this.#cursor < log.floor) throw passed(log.missed(this.#cursor, log.floor));
    if (this.#cursor < log.head) {
      this.#cursor += 1;
      return messageOf(log.entry(this.#cursor));
    }
    return this.#host.isClosed() ? END : WAIT;
  }

  close(): void {
    this.#topic.wakes.delete(this.#wake);
    this.#host.changed();
  }

  async #beginLater(ready: Promise<void>, from: string, place: Position | undefined): Promise<void> {
    try {
      await ready;
      this.#cursor = cursorAt(this.#topic, from, place);
    } catch (error) {
      this.#failure = { error };
    }
    if (this.#topic.wakes.has(this.#wake)) this.#wake();
  }
}

/** The place that is named, if it is one. @throws {CometError} `ERR_POSITION`. */
function placeOf({ log }: LiveTopic, from: string): Position | undefined {
  if (from === "newest" || from === "oldest") return undefined;
  const place = parsePositions(from, Infinity).get(log.topic);
  if (place === undefined) throw new CometError("ERR_POSITION", "The position to begin from is not one in this topic.");
  return place;
}

function cursorAt({ log }: LiveTopic, from: string, place: Position | undefined): number {
  if (place === undefined) return from === "oldest" ? log.floor : log.head;
  const index = log.indexOf(place.epoch, place.offset);
  if (index === undefined) {
    throw new CometError(
      "ERR_OVERFLOW",
      "The position to begin from is of another epoch: what followed it is not known.",
    );
  }
  return index;
}

function passed(missed: number | null): CometError {
  return new CometError("ERR_OVERFLOW", `The log has passed its reader, who misses ${missed ?? "some"} messages.`);
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
