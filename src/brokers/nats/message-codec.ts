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

/** Decodes a message. Its time is 0 if it was not published by a hub. */
export function decodeMessage(offset: number, json: string, fields: string): BrokerMessage {
  const { at, event, key, id } = parseFields(fields);
  return { offset, at, json, event, key, messageId: id };
}

function parseFields(text: string): HeaderFields {
  try {
    return JSON.parse(text) as HeaderFields;
  } catch {
    return { at: 0 };
  }
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
