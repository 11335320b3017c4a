import { CometError } from "../core/errors.ts";
import type { Entry } from "../log/entry.ts";
import { parsePosition } from "../log/position.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../stream/run.ts";
import type { JsonValue } from "../wire/json.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { TopicMessage } from "./topic.ts";

/** What a reader needs of its hub. */
export interface LogRunHost {
  /** Whether there will be no more messages. */
  isClosed(): boolean;
  /** Told when the topic may have got its first follower, or lost its last. */
  changed(): void;
}

/** One reader of a topic's log on the server: a cursor, and nothing queued for it. */
export class LogRun implements Run<TopicMessage<JsonValue>> {
  readonly #topic: LiveTopic;
  readonly #wake: Wake;
  readonly #host: LogRunHost;
  #cursor: number;

  /** @throws {CometError} `ERR_POSITION`, `ERR_OVERFLOW`. */
  constructor(topic: LiveTopic, from: string, wake: Wake, host: LogRunHost) {
    this.#topic = topic;
    this.#host = host;
    this.#wake = wake;
    this.#cursor = cursorAt(topic, from);
    topic.wakes.add(wake);
    host.changed();
  }

  poll(): Step<TopicMessage<JsonValue>> {
    const { log } = this.#topic;
    if (this.#cursor < log.floor) throw passed(log.floor - this.#cursor);
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
}

function cursorAt({ log }: LiveTopic, from: string): number {
  if (from === "newest") return log.head;
  if (from === "oldest") return log.floor;
  const place = parsePosition(from, Infinity).get(log.topic);
  if (place === undefined) throw new CometError("ERR_POSITION", "The position to begin from is not one in this topic.");
  if (place.epoch !== log.epoch || place.offset > log.head) {
    throw new CometError(
      "ERR_OVERFLOW",
      "The position to begin from is of another epoch: what followed it is not known.",
    );
  }
  return place.offset;
}

function passed(missed: number): CometError {
  return new CometError("ERR_OVERFLOW", `The log has passed its reader, who misses ${missed} messages.`);
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
