import type { BrokerMessage } from "../../log/broker.ts";
import { foreignEntry, parseFields, type MessageFields } from "../message-fields.ts";

/** A message as a row has it. Each number is whole, and each text is one: the tables check their types. */
export interface MessageRow {
  readonly number: number;
  readonly at: number;
  readonly fields: string | null;
  readonly json: string;
}

/** Encodes the fields of a message besides its data: null if it has none. */
export function encodeFields({ event, key, messageId, ended }: MessageFields): string | null {
  const hasNone = event === undefined && key === undefined && messageId === undefined && ended === undefined;
  return hasNone ? null : JSON.stringify({ event, key, messageId, ended });
}

/** The message of a row. It has a fault if another program has written the row. */
export function messageOf({ number, at, fields, json }: MessageRow): BrokerMessage {
  const decoded = fields === null ? {} : parseFields(fields);
  if (decoded === undefined) return foreignEntry(number);
  const { event, key, messageId, ended } = decoded;
  return { offset: number, at, json, event, key, messageId, ended };
}
