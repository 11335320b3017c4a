/**
 * Encodes messages for the log, and checks the messages that a broker returns.
 *
 * The JSON made here goes into pages as it is. It must escape `<`, `&`, U+2028 and U+2029, or a message can end its
 * script. Everything from a broker is input of strangers: `decodeMessage` must check it as strictly as `encodeMessage`
 * does.
 */

import { CometError, describe } from "../../core/errors.ts";
import { utf8Length } from "../../core/utf8.ts";
import type { BrokerMessage, BrokerPublication } from "../../log/broker.ts";
import { endPublication, type Publication } from "../../log/entry.ts";
import { jsonLiteral } from "../../wire/literal.ts";
import { RESERVED_EVENT_PREFIX } from "../../wire/sse-format.ts";
import { checkField } from "../../core/validate-field.ts";
import type { PublishOptions } from "../topic.ts";
import type { BrokerCodec } from "./broker-link.ts";
import type { LeaseMark } from "./lease.ts";
import { decodeEnd, encodeEnd } from "./topic-end.ts";

/**
 * Checks and encodes a message for publication.
 *
 * @param maxBytes The size of the largest message, its data as JSON in UTF-8 bytes.
 * @throws {CometError} `ERR_ENCODER` for data that is not JSON; `ERR_MESSAGE` for a bad event, key or id, or a
 *   message that is too large.
 */
export function encodeMessage(data: unknown, options: PublishOptions, maxBytes: number): Publication {
  const event = checkEvent("The event of a message", options.event);
  const json = jsonLiteral(data, "json");
  const bytes = utf8Length(json);
  if (bytes > maxBytes) checkLength(json, maxBytes);
  return {
    json,
    text: typeof data === "string" ? data : undefined,
    event,
    key: checkField("The key of a message", options.key, "ERR_MESSAGE"),
    messageId: checkField("The messageId of a message", options.messageId, "ERR_MESSAGE"),
    bytes,
  };
}

/**
 * Checks a message from a broker, and encodes its data again, so that the log has only JSON as hubs write it. Other
 * programs may have written to the broker.
 *
 * JSON has many spellings of one value: escapes (`"\u005f_proto__"`), repeated keys, numbers, blanks. The wires rely on
 * the one spelling of `jsonLiteral`.
 *
 * @param maxBytes The size of the largest message, its data as JSON in UTF-8 bytes.
 * @throws {CometError} `ERR_MESSAGE` if no hub could have published it.
 */
export function decodeMessage(topic: string, message: BrokerMessage, maxBytes: number): Publication {
  if (message.fault !== undefined) throw new CometError("ERR_MESSAGE", `It ${message.fault}.`);
  if (message.ended !== undefined) return endPublication(decodeEnd(topic, message.ended));
  const { data, json } = decodeData(message.json, maxBytes);
  const event = checkEvent("Its event", message.event);
  return {
    json,
    text: typeof data === "string" ? data : undefined,
    event,
    key: checkField("Its key", message.key, "ERR_MESSAGE"),
    messageId: checkField("Its messageId", message.messageId, "ERR_MESSAGE"),
    bytes: utf8Length(json),
  };
}

/**
 * The events of the clients themselves: `open` and `error` of every `EventSource`, and all of them of a `CometSource`.
 * A browser would call `onerror` with a message of that name.
 */
const CLIENT_EVENTS: readonly string[] = ["open", "error", "close", "gap", "ended", "missing"];

/** Checks an event name. @throws {CometError} `ERR_MESSAGE` */
function checkEvent(what: string, value: unknown): string | undefined {
  const event = checkField(what, value, "ERR_MESSAGE");
  if (event?.startsWith(RESERVED_EVENT_PREFIX) === true) {
    throw new CometError(
      "ERR_MESSAGE",
      `${what} must not begin with ${RESERVED_EVENT_PREFIX}, which belongs to the protocol.`,
    );
  }
  if (event !== undefined && CLIENT_EVENTS.includes(event)) {
    throw new CometError(
      "ERR_MESSAGE",
      `${what} must not be "${event}": clients have an event of that name. Choose another name, such as "app-${event}".`,
    );
  }
  return event;
}

/** Returns a message, or the end of a topic, as a broker takes it. @param mark The producer's lease, if it has one. */
function toBroker({ json, event, key, messageId, bytes, ended }: Publication, mark?: LeaseMark): BrokerPublication {
  return { json, event, key, messageId, bytes, ended: ended && encodeEnd(ended), ...mark };
}

/** The largest message that is accepted from a broker if the hub's own limit is lower, in bytes of JSON: 16 MiB. */
const MAX_RECEIVED_BYTES = 16_777_216;

/**
 * Returns the codec of a hub for messages of its broker. Other hubs may have a higher limit than this one.
 *
 * @param maxMessageBytes The size of the largest message that the hub publishes.
 */
export function brokerCodec(maxMessageBytes: number): BrokerCodec {
  const maxBytes = Math.max(MAX_RECEIVED_BYTES, maxMessageBytes);
  return { encode: toBroker, decode: (topic, message) => decodeMessage(topic, message, maxBytes) };
}

function decodeData(given: unknown, maxBytes: number): { readonly data: unknown; readonly json: string } {
  if (typeof given !== "string") throw new CometError("ERR_MESSAGE", `Its data is ${describe(given)}, not JSON.`);
  // A string has at least as many bytes in UTF-8 as it has UTF-16 code units.
  const bytes = given.length > maxBytes ? given.length : utf8Length(given);
  if (bytes > maxBytes) {
    throw new CometError("ERR_MESSAGE", `Its data has ${bytes} bytes of JSON or more; the limit is ${maxBytes}.`);
  }
  try {
    const data: unknown = JSON.parse(given);
    return { data, json: jsonLiteral(data, "json") };
  } catch (cause) {
    const reason = cause instanceof CometError ? cause.message : "It is not JSON.";
    throw new CometError("ERR_MESSAGE", `Its data is invalid: ${reason}`, { cause });
  }
}

/** Checks the size without the escapes that make JSON safe in a script, since the application did not write them. */
function checkLength(json: string, maxBytes: number): void {
  const bytes = utf8Length(json.replace(/\\u(?:003c|0026|202[89])/g, "_"));
  if (bytes <= maxBytes) return;
  throw new CometError("ERR_MESSAGE", `A message must be at most ${maxBytes} bytes of JSON, not ${bytes}.`);
}
