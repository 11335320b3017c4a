import { CometError } from "../../core/errors.ts";
import type { BrokerMessage, History } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import type { Rows } from "./postgres-connection.ts";

/** The most holes of a page that are reported one by one. Rows are only missing if another program has removed them. */
const MAX_HOLES = 1000;
/** The furthest that a time may be in the future, in milliseconds: a year. */
const MAX_AHEAD_MS = 31_536_000_000;

type Row = Rows[number];

/** The answer to one run of messages. */
export interface RunAnswer {
  /** Why nothing was published: `ended`, `lost`, `none` or `left`; empty otherwise. */
  readonly word: string;
  /** The time until a lease lapses, with `left`. */
  readonly leftMs: number;
  readonly id: number;
  readonly epoch: string;
  readonly first: number;
  readonly at: number;
  /** The number of messages that were added. */
  readonly added: number;
  /** The position of each message, if there are message ids; undefined where it was not published. */
  readonly positions: readonly (Position | undefined)[] | undefined;
}

/** The news of a followed topic. */
export interface TopicNews {
  /** Undefined if the topic is gone. */
  readonly epoch: string | undefined;
  readonly head: number;
  /** The number at which the epoch began. Messages up to it are of the previous epoch, if that is known. */
  readonly start: number;
  readonly previousEpoch: string | undefined;
  readonly messages: BrokerMessage[];
}

/** Decodes the answers to a batch of runs. @throws {CometError} `ERR_UNACKNOWLEDGED` if they are none. */
export function runAnswersOf(rows: Rows, count: number): RunAnswer[] {
  const answers: RunAnswer[] = [];
  for (const pair of listOf(parsed(rows[0]?.["answer"]))) {
    const [place, answer] = listOf(pair);
    answers[numberOf(place)] = runAnswerOf(answer as Readonly<Record<string, unknown>>);
  }
  if (answers.length !== count || answers.includes(undefined as never)) throw unreadable("ERR_UNACKNOWLEDGED");
  return answers;
}

function runAnswerOf(answer: Readonly<Record<string, unknown>>): RunAnswer {
  const { w, ms, i, e, n, a, c, d } = answer;
  const word = typeof w === "string" ? w : "";
  const positions = Array.isArray(d) ? d.map(positionOf) : undefined;
  if (word !== "" || e === undefined) {
    return { word, leftMs: Number(ms ?? 0), id: 0, epoch: "", first: 0, at: 0, added: 0, positions };
  }
  const [id, first, at, added] = [numberOf(i), numberOf(n), numberOf(a), numberOf(c)];
  return { word, leftMs: 0, id, epoch: epochOf(e), first, at, added, positions };
}

/** Decodes a position, `[epoch, number]`. */
function positionOf(value: unknown): Position | undefined {
  if (value === null || value === undefined) return undefined;
  const [epoch, offset] = listOf(value);
  return { epoch: epochOf(epoch), offset: numberOf(offset) };
}

/** Decodes the position that `delete` answers. */
export function deletedPositionOf(rows: Rows): Position | undefined {
  const answer = rows[0]?.["answer"];
  return answer === null || answer === undefined ? undefined : positionOf(parsed(answer));
}

/** Decodes the answer to `follow`: id, epoch and head of each topic. */
export function followedOf(rows: Rows, count: number): { id: number; epoch: string; head: number }[] {
  const all = listOf(parsed(rows[0]?.["answer"]));
  if (all.length !== count) throw unreadable("ERR_BROKER");
  return all.map((each) => {
    const [id, epoch, head] = listOf(each);
    return { id: numberOf(id), epoch: epochOf(epoch), head: numberOf(head) };
  });
}

/** Decodes the answer to `read`. @throws {CometError} `ERR_BROKER` if it is none. */
export function historyOf(rows: Rows, after: number): History {
  const [header, ...others] = rows;
  if (header === undefined) throw unreadable("ERR_BROKER");
  const { c1, c2, c3, c4, c5, c6, c7 } = header;
  const [floor, head, now] = [numberOf(c2), numberOf(c3), numberOf(c4)];
  const finite =
    c5 === null ? undefined : { ttlMs: numberOf(c5), begunAfter: numberOf(c6), isExpired: c7 === "expired" };
  const messages: BrokerMessage[] = [];
  let last = Math.max(after, floor);
  for (const row of others) {
    const number = numberOf(row["c1"]);
    while (last + 1 < number && messages.length < MAX_HOLES) messages.push(hole((last += 1)));
    if (last + 1 < number) break;
    last = number;
    const [at, event, key, messageId, ended, json] = [row["c2"], row["c3"], row["c4"], row["c5"], row["c6"], row["c7"]];
    messages.push(messageOf(number, at, { event, key, messageId, ended, json }, now));
  }
  return { epoch: epochOf(c1), floor, head, messages, now, finite };
}

/** Decodes the answer to `fetch`, by the ids of the topics. */
export function newsOf(rows: Rows): Map<number, TopicNews> {
  const news = new Map<number, TopicNews>();
  for (const row of rows) {
    const id = numberOf(row["topic"]);
    if (row["number"] !== null) {
      news.get(id)?.messages.push(messageOf(numberOf(row["number"]), row["at"], fieldsOf(row), Infinity));
    } else if (row["epoch"] === null) {
      news.set(id, { epoch: undefined, head: 0, start: 0, previousEpoch: undefined, messages: [] });
    } else {
      const { epoch, head, at, event } = row;
      const previousEpoch = event === null ? undefined : epochOf(event);
      news.set(id, { epoch: epochOf(epoch), head: numberOf(head), start: numberOf(at), previousEpoch, messages: [] });
    }
  }
  return news;
}

function fieldsOf({ event, key, message_id: messageId, ended, json }: Row): Row {
  return { event, key, messageId, ended, json };
}

/** A message as it is stored. The hub checks its fields and its data. */
function messageOf(offset: number, at: unknown, fields: Row, now: number): BrokerMessage {
  const time = Number(at);
  const latest = now === Infinity ? Date.now() + MAX_AHEAD_MS : now;
  const { event, key, messageId, ended, json } = fields;
  const areTexts = [event, key, messageId, ended].every((each) => each === null || typeof each === "string");
  if (!areTexts || typeof json !== "string" || !Number.isSafeInteger(time) || time < 0 || time > latest) {
    return { ...none(offset), fault: "is not in the form of a hub: another program has written it" };
  }
  const text = (value: unknown): string | undefined => (value === null ? undefined : (value as string));
  return { offset, at: time, json, event: text(event), key: text(key), messageId: text(messageId), ended: text(ended) };
}

function hole(offset: number): BrokerMessage {
  return { ...none(offset), fault: "is missing: another program has removed it" };
}

function none(offset: number): BrokerMessage {
  return { offset, at: 0, json: "", event: undefined, key: undefined, messageId: undefined, ended: undefined };
}

function parsed(text: unknown): unknown {
  if (typeof text !== "string") throw unreadable("ERR_BROKER");
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable("ERR_BROKER");
  }
}

function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  throw unreadable("ERR_BROKER");
}

function numberOf(value: unknown): number {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
  throw unreadable("ERR_BROKER");
}

function epochOf(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9]{1,32}$/.test(value)) return value;
  throw unreadable("ERR_BROKER");
}

function unreadable(code: "ERR_BROKER" | "ERR_UNACKNOWLEDGED"): CometError {
  return new CometError(code, "PostgreSQL's answer is not that of the function: its schema was changed by hand.");
}
