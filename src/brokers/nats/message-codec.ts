import { headers, type MsgHdrs } from "@nats-io/transport-node";
import type { BrokerMessage, BrokerPublication } from "../../log/broker.ts";
import { topicToken } from "./subjects.ts";

/** The header of all fields of a message other than its data: JSON in ASCII, since not every client decodes headers as UTF-8. */
const FIELDS_HEADER = "Comet-Message";
/** The header by which JetStream deduplicates messages. */
const ID_HEADER = "Nats-Msg-Id";

/** The fields, by the names that they have in the header. */
interface HeaderFields {
  readonly at: number;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly id?: string | undefined;
}

/**
 * Encodes the fields of a message, other than its data, as headers. Stored messages have this format, and processes of other versions
 * decode it: names may be added, and none changed.
 *
 * @param at The time of the message, by the server's clock.
 */
export function encodeHeaders(topic: string, message: BrokerPublication, at: number): MsgHdrs {
  const { event, key, messageId } = message;
  const fields: HeaderFields = { at, event, key, id: messageId };
  const encoded = headers();
  encoded.set(FIELDS_HEADER, asciiJson(fields));
  // A token has no space, so ids of different topics never collide.
  if (messageId !== undefined) encoded.set(ID_HEADER, `${topicToken(topic)} ${asciiJson(messageId)}`);
  return encoded;
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
 * Decodes a message. It has a fault if its fields are not those of a hub. The hub checks their content.
 *
 * @param now The time by the server's clock.
 */
export function decodeMessage(offset: number, json: string, fields: string, now: number): BrokerMessage {
  const decoded = parseFields(fields);
  if (typeof decoded === "string") return faulty(offset, decoded);
  const { at, event, key, id } = decoded;
  if (at > now + MAX_AHEAD_MS) return faulty(offset, "has a time in the future");
  return { offset, at, json, event, key, messageId: id };
}

/** The most by which the clock of the process that published a message may be ahead, in milliseconds: a minute. */
const MAX_AHEAD_MS = 60_000;

function faulty(offset: number, fault: string): BrokerMessage {
  return { offset, at: 0, json: "", event: undefined, key: undefined, messageId: undefined, fault };
}

/** Parses the fields of a message. Returns a text that says what is wrong if they are not those of a hub. */
function parseFields(text: string): HeaderFields | string {
  const foreign = `has no valid header ${FIELDS_HEADER}: another program has written it`;
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return foreign;
    const { at, event, key, id } = fields as Readonly<Record<string, unknown>>;
    const areTexts = [event, key, id].every((field) => field === undefined || typeof field === "string");
    return areTexts && Number.isSafeInteger(at) && (at as number) > 0 ? (fields as HeaderFields) : foreign;
  } catch {
    return foreign;
  }
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
