import { CometError } from "../../core/errors.ts";
import type { BrokerMessage, History, Notice } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { foreignEntry, parseFields, type MessageFields } from "../message-fields.ts";
import { textOf } from "./replies.ts";

/** Something that a script had to repair, since another program had written to the keys of a topic. */
export interface Repair {
  /** The words of the script: `void`, `anew`, or the number of removed entries. Empty if nothing was repaired. */
  readonly repair: string;
}

/** The answer of the read script, and the ids of entries that have no offset. */
export interface ReadAnswer extends Repair {
  readonly history: History;
  readonly misplaced: readonly string[];
}

/** The text that a position has in Redis, with the words of a repair. */
const positionForm = /^([A-Za-z0-9]{1,32}) (\d{1,14})(?: (\w{1,14}))?$/;
/** The answer of a script that is no position, with a number or the words of a repair. */
const answerForm = /^([a-z]{1,14})(?:=(\d{1,14}))?(?: (\w{1,14}))?$/;
const noticeForm = /^([A-Za-z0-9]{1,32}) (\d{1,14}) (\d{1,14}) ([^\n]*)\n/;
const numberForm = /^\d{1,14}$/;

/** The answer of a script that writes: a position, or a word with or without a number. */
export interface WriteAnswer extends Repair {
  readonly position: Position | undefined;
  readonly word: string;
  readonly number: number;
}

/**
 * Decodes the reply of a script that writes. The formats here are those of the scripts, and processes of other versions use them too.
 *
 * @throws {CometError} `ERR_UNACKNOWLEDGED` if it is none.
 */
export function writeAnswerOf(reply: unknown): WriteAnswer {
  const text = textOf(reply);
  const match = positionForm.exec(text);
  if (match !== null) {
    const [, epoch = "", offset, repair = ""] = match;
    return { position: { epoch, offset: Number(offset) }, word: "", number: 0, repair };
  }
  const other = answerForm.exec(text);
  if (other === null)
    throw new CometError("ERR_UNACKNOWLEDGED", "Redis's answer to a write is not that of the script.");
  const [, word = "", number = "0", repair = ""] = other;
  return { position: undefined, word, number: Number(number), repair };
}

/** Decodes the reply of the read script. @throws {CometError} `ERR_BROKER` if it is none. */
export function historyOf(reply: unknown): ReadAnswer {
  const [epoch = "", floor = "", head = "", now = "", repair = "", ttlMs = "0", expired = "", ...parts] = Array.isArray(
    reply,
  )
    ? reply.map(textOf)
    : [];
  if (![floor, head, now].every((each) => numberForm.test(each)) || parts.length % 4 !== 0) {
    throw new CometError("ERR_BROKER", "Redis's answer to a read is not that of the script.");
  }
  const messages: BrokerMessage[] = [];
  const misplaced: string[] = [];
  for (let i = 0; i < parts.length; i += 4) {
    const [id, at, fields, json] = parts.slice(i, i + 4) as [string, string, string, string];
    const offset = /^(\d{1,14})-0$/.exec(id)?.[1];
    if (offset === undefined) misplaced.push(id);
    else messages.push(messageFrom(Number(offset), at, fields, json));
  }
  const finite = ttlMs === "" ? undefined : { ttlMs: Number(ttlMs), begunAfter: 0, isExpired: expired !== "" };
  const history = { epoch, floor: Number(floor), head: Number(head), messages, now: Number(now), finite };
  return { history, misplaced, repair };
}

/** Says what a script had to repair, if it had to. */
export function describeRepair(repair: string): string | undefined {
  if (repair === "") return undefined;
  if (repair === "void") return "its recorded values are invalid, so it has begun another epoch";
  if (repair === "anew") return "its log is another one, so it has begun another epoch";
  return `entries without an offset were removed from its log: ${repair}`;
}

/**
 * Decodes `epoch offset time fields`, with the data in the next line. Returns undefined if the text has no position. Its message has a
 * fault if the rest is invalid.
 */
export function noticeOf(text: string): Notice | undefined {
  const match = noticeForm.exec(text);
  if (match === null) return undefined;
  const [line, epoch, offset, at, fields] = match as unknown as [string, string, string, string, string];
  const message = messageFrom(Number(offset), at, fields, text.slice(line.length));
  return message.offset > 0 ? { epoch, previous: message.offset - 1, message } : undefined;
}

/** Encodes the fields of a message other than its data. */
export function encodeFields({ event, key, messageId, ended }: MessageFields): string {
  return JSON.stringify({ event, key, messageId, ended });
}

function messageFrom(offset: number, at: string, fields: string, json: string): BrokerMessage {
  const decoded = fields === "{}" ? {} : parseFields(fields);
  if (decoded === undefined || !numberForm.test(at)) return foreignEntry(offset);
  const { event, key, messageId, ended } = decoded;
  return { offset, at: Number(at), json, event, key, messageId, ended };
}
