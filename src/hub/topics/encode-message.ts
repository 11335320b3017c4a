/**
 * Encodes messages for the log, and checks the messages that a broker returns.
 *
 * The JSON made here goes into pages as it is. It must escape `<`, `&`, U+2028 and U+2029, or a message can end its
 * script. Everything from a broker is input of strangers: `decodeMessage` must check it as strictly as `encodeMessage`
 * does.
 */

import { CometError } from "../../core/errors.ts";
import { utf8Length } from "../../core/utf8.ts";
import type { BrokerMessage } from "../../log/broker.ts";
import type { Publication } from "../../log/entry.ts";
import type { JsonValue } from "../../wire/json.ts";
import { jsonLiteral } from "../../wire/literal.ts";
import { RESERVED_EVENT_PREFIX } from "../../wire/sse-format.ts";
import { checkField } from "../../core/validate-field.ts";
import type { PublishOptions } from "../topic.ts";

/**
 * Checks and encodes a message for publication.
 *
 * @param maxBytes The size of the largest message, its data as JSON in UTF-8 bytes.
 * @throws {CometError} `ERR_ENCODER` for data that is not JSON; `ERR_MESSAGE` for a bad event, key or id, or a
 *   message that is too large.
 */
export function encodeMessage(data: unknown, options: PublishOptions, maxBytes: number): Publication {
  const event = checkField("The event of a message", options.event, "ERR_MESSAGE");
  if (event?.startsWith(RESERVED_EVENT_PREFIX) === true) {
    throw new CometError(
      "ERR_MESSAGE",
      `An event name must not begin with ${RESERVED_EVENT_PREFIX}, which belongs to the protocol.`,
    );
  }
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
 * Checks a message from a broker. It goes into pages as it is, and other programs may have written to the broker.
 *
 * @throws {CometError} `ERR_MESSAGE` if no hub could have published it.
 */
export function decodeMessage({ offset, json, event, key, messageId }: BrokerMessage): Publication {
  let data: JsonValue;
  try {
    data = JSON.parse(json) as JsonValue;
  } catch (cause) {
    throw new CometError(
      "ERR_MESSAGE",
      `Message ${offset} in the broker is not JSON: another program has written it.`,
      { cause },
    );
  }
  const safe = unsafe.test(json) ? jsonLiteral(data, "json") : json;
  return {
    json: safe,
    text: typeof data === "string" ? data : undefined,
    event: checkField("The event of a message in the broker", event, "ERR_MESSAGE"),
    key: checkField("The key of a message in the broker", key, "ERR_MESSAGE"),
    messageId: checkField("The messageId of a message in the broker", messageId, "ERR_MESSAGE"),
    bytes: utf8Length(safe),
  };
}

/** The characters that JSON written by a hub does not contain. */
const unsafe = /[<&\u2028\u2029\r\n]/;

/** Checks the size without the escapes that make JSON safe in a script, since the application did not write them. */
function checkLength(json: string, maxBytes: number): void {
  const bytes = utf8Length(json.replace(/\\u(?:003c|0026|202[89])/g, "_"));
  if (bytes <= maxBytes) return;
  throw new CometError("ERR_MESSAGE", `A message must be at most ${maxBytes} bytes of JSON, not ${bytes}.`);
}
