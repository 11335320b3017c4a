import { headers, type MsgHdrs } from "@nats-io/transport-node";
import type { BrokerMessage, BrokerPublication } from "../../log/broker.ts";
import { topicToken } from "./subjects.ts";

/** The header with all that a message has beside its data: JSON in ASCII, since not every client takes headers for UTF-8. */
const HEADER = "Comet-Message";
/** The header by which JetStream knows a message that it has already. */
const ID_HEADER = "Nats-Msg-Id";

interface Fields {
  readonly at: number;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly id?: string | undefined;
}

/** The headers of a message that is to be published. */
export function encodeHeaders(topic: string, message: BrokerPublication, at: number): MsgHdrs {
  const { event, key, messageId } = message;
  const fields: Fields = { at, event, key, id: messageId };
  const encoded = headers();
  encoded.set(HEADER, asciiJson(fields));
  // A token has no space, so that the id of one topic is never that of another.
  if (messageId !== undefined) encoded.set(ID_HEADER, `${topicToken(topic)} ${asciiJson(messageId)}`);
  return encoded;
}

/** What a message has beside its data, as it is in its headers. */
export function fieldsOf(encoded: MsgHdrs | undefined): string {
  return encoded?.get(HEADER) ?? "";
}

/** The same, out of headers as they are sent. */
export function fieldsIn(encoded: string): string {
  const line = encoded.split("\r\n").find((each) => each.startsWith(`${HEADER}:`));
  return line?.slice(HEADER.length + 1) ?? "";
}

/** A message out of its data and the fields of its headers. One that no hub has published has the time 0. */
export function decodeMessage(offset: number, json: string, fields: string): BrokerMessage {
  const { at, event, key, id } = parseFields(fields);
  return { offset, at, json, event, key, messageId: id };
}

function parseFields(text: string): Fields {
  try {
    return JSON.parse(text) as Fields;
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
