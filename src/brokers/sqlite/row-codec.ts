import type { BrokerMessage, BrokerPublication } from "../../log/broker.ts";

/** A message as a row has it. Each number is whole, and each text is one: the tables check their types. */
export interface MessageRow {
  readonly number: number;
  readonly at: number;
  readonly fields: string | null;
  readonly json: string;
}

type Fields = Pick<BrokerPublication, "event" | "key" | "messageId" | "ended">;

/** Encodes the fields of a message besides its data: null if it has none. */
export function encodeFields({ event, key, messageId, ended }: Fields): string | null {
  const hasNone = event === undefined && key === undefined && messageId === undefined && ended === undefined;
  return hasNone ? null : JSON.stringify({ event, key, messageId, ended });
}

/** The message of a row. It has a fault if another program has written the row. */
export function messageOf({ number, at, fields, json }: MessageRow): BrokerMessage {
  const decoded = fields === null ? {} : decodeFields(fields);
  if (decoded !== undefined) {
    const { event, key, messageId, ended } = decoded;
    return { offset: number, at, json, event, key, messageId, ended };
  }
  const none = { json: "", event: undefined, key: undefined, messageId: undefined, ended: undefined };
  return { offset: number, at: 0, ...none, fault: "is not in the form of a hub: another program has written it" };
}

/** Returns undefined if the fields are not texts. The hub checks their content. */
function decodeFields(text: string): Partial<Fields> | undefined {
  try {
    const fields: unknown = JSON.parse(text);
    if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
    const { event, key, messageId, ended } = fields as Record<string, unknown>;
    const areTexts = [event, key, messageId, ended].every((field) => field === undefined || typeof field === "string");
    return areTexts ? fields : undefined;
  } catch {
    return undefined;
  }
}
