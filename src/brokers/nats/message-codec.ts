import { headers, type MsgHdrs } from "@nats-io/transport-node";
import type { BrokerMessage, BrokerPublication } from "../../log/broker.ts";
import { decodeLife, encodeLife, isTime, type Life, type LifeFields } from "./life.ts";
import { topicToken } from "./subjects.ts";

/** The header of all fields of a message other than its data: JSON in ASCII, since not every client decodes headers as UTF-8. */
const FIELDS_HEADER = "Comet-Message";
/** The header by which JetStream deduplicates messages. */
const ID_HEADER = "Nats-Msg-Id";

/** The header by which JetStream stores a message only after a certain other one of its subject. */
export const EXPECTED_HEADER = "Nats-Expected-Last-Subject-Sequence";

/** The fields, by the names that they have in the header. */
interface HeaderFields {
  readonly at: number;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly id?: string | undefined;
  readonly ended?: string | undefined;
  readonly kind?: "begin" | "deleted" | undefined;
  readonly life?: LifeFields | undefined;
  readonly prev?: number | undefined;
}

/** What a topic's entry is: a message or an end, the beginning of a lease, or the mark of a deletion. Hubs get only messages. */
export type EntryKind = "message" | "begin" | "deleted";

/** An entry of a topic, as the stream holds it. */
export interface StoredEntry {
  readonly message: BrokerMessage;
  readonly kind: EntryKind;
  /** The life of a topic that ends, as of this entry. */
  readonly life: Life | undefined;
  /** The offset of the message before this one, if the entry before is no message, or the base of the life. */
  readonly previous: number | undefined;
}

/** The place of an entry in a topic that ends. */
export interface EntryContext {
  readonly kind: EntryKind;
  readonly life: Life | undefined;
  /** Entries up to this offset are deleted, or of earlier lives: their message ids do not count. */
  readonly base: number;
  /** Whether the entry begins a life: its own offset is the base then. */
  readonly beginsLife: boolean;
  readonly previous: number | undefined;
  /** The offset of the newest entry that the server must have, or it stores nothing; 0 for none. */
  readonly expected: number;
}

/**
 * Encodes the fields of a message, other than its data, as headers. Stored messages have this format, and processes of other versions
 * decode it: names may be added, and none changed.
 *
 * @param at The time of the message, by the server's clock.
 */
export function encodeHeaders(topic: string, message: BrokerPublication, at: number, context?: EntryContext): MsgHdrs {
  const { event, key, messageId, ended } = message;
  const fields: HeaderFields = { at, event, key, id: messageId, ended, ...contextFields(context) };
  const encoded = headers();
  encoded.set(FIELDS_HEADER, asciiJson(fields));
  if (context !== undefined) encoded.set(EXPECTED_HEADER, String(context.expected));
  // A token has no space and a JSON text begins with a quote, so ids of different topics and lives never collide.
  if (messageId !== undefined) {
    const base = context?.base ?? 0;
    const life = base === 0 ? "" : `${base} `;
    encoded.set(ID_HEADER, `${topicToken(topic)} ${life}${asciiJson(messageId)}`);
  }
  return encoded;
}

function contextFields(context: EntryContext | undefined): Partial<HeaderFields> {
  if (context === undefined) return {};
  const { kind, life, beginsLife, previous } = context;
  return {
    kind: kind === "message" ? undefined : kind,
    life: life === undefined ? undefined : encodeLife(life, beginsLife),
    prev: previous,
  };
}

/** The encoded fields of a message, out of its headers. */
export function fieldsOf(encoded: MsgHdrs | undefined): string {
  return encoded?.get(FIELDS_HEADER) ?? "";
}

/** The encoded fields of a message, out of its headers as they are sent. */
export function fieldsIn(encoded: string): string {
  const line = encoded.split("\r\n").find((each) => each.startsWith(`${FIELDS_HEADER}:`));
  return line?.slice(FIELDS_HEADER.length + 1) ?? "";
}

/**
 * The offset that the server states in a header: NaN if there is none. A stored message may have such a header of its own; the server
 * adds its header at the end.
 */
export function offsetIn(encoded: MsgHdrs | undefined, header: "Nats-Sequence" | "Nats-Last-Sequence"): number {
  const text = encoded?.values(header).at(-1) ?? "";
  const offset = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(offset) ? offset : NaN;
}

/**
 * Decodes an entry. Its message has a fault if its fields are not those of a hub. The hub checks their content.
 *
 * @param now The time by the server's clock.
 */
export function decodeEntry(offset: number, json: string, fields: string, now: number): StoredEntry {
  const decoded = parseFields(fields);
  if (typeof decoded === "string") return faulty(offset, decoded);
  const { at, event, key, id, ended, kind = "message", life: encodedLife, prev } = decoded;
  if (at > now + MAX_AHEAD_MS) return faulty(offset, "has a time in the future");
  const life = encodedLife === undefined ? undefined : decodeLife(encodedLife, offset);
  const isComplete = (life !== undefined || encodedLife === undefined) && (kind !== "begin" || life !== undefined);
  if (!isComplete || (kind !== "message" && ended !== undefined) || (prev !== undefined && prev >= offset))
    return faulty(offset, FOREIGN);
  return { message: { offset, at, json, event, key, messageId: id, ended }, kind, life, previous: prev };
}

/** The most by which the clock of the process that published a message may be ahead, in milliseconds: a minute. */
const MAX_AHEAD_MS = 60_000;

const FOREIGN = `has no valid header ${FIELDS_HEADER}: another program has written it`;

function faulty(offset: number, fault: string): StoredEntry {
  const message = { offset, at: 0, json: "", event: undefined, key: undefined, messageId: undefined, fault };
  return { message, kind: "message", life: undefined, previous: undefined };
}

/** Parses the fields of a message. Returns a text that says what is wrong if they are not those of a hub. */
function parseFields(text: string): HeaderFields | string {
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return FOREIGN;
    const { at, event, key, id, ended, kind, prev } = fields as Readonly<Record<string, unknown>>;
    const areTexts = [event, key, id, ended].every((field) => field === undefined || typeof field === "string");
    const isKind = kind === undefined || kind === "begin" || kind === "deleted";
    const isNumbered = isTime(at) && at > 0 && (prev === undefined || isTime(prev));
    return areTexts && isKind && isNumbered ? (fields as HeaderFields) : FOREIGN;
  } catch {
    return FOREIGN;
  }
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
