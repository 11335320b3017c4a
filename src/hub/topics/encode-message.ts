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
 * Checks and encodes what is to be published.
 *
 * @throws {CometError} `ERR_ENCODER`, `ERR_MESSAGE`.
 */
export function encodeMessage(data: unknown, options: PublishOptions, maxBytes: number): Publication {
  const event = checkField("The event of a message", options.event, "ERR_MESSAGE");
  if (event?.startsWith(RESERVED_EVENT_PREFIX) === true) {
    throw new CometError("ERR_MESSAGE", `Event names that begin with ${RESERVED_EVENT_PREFIX} are the protocol's own.`);
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
 * A message as a broker gives it back. It goes into pages as it is, so it is looked at once more: somebody else may have written there.
 *
 * @throws {CometError} `ERR_MESSAGE` if it is none that a hub could have published.
 */
export function decodeMessage({ offset, json, event, key, messageId }: BrokerMessage): Publication {
  let data: JsonValue;
  try {
    data = JSON.parse(json) as JsonValue;
  } catch (cause) {
    throw new CometError("ERR_MESSAGE", `Message ${offset} in the broker is not JSON: no hub has written it.`, {
      cause,
    });
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

/** What JSON that a hub has written does not have. */
const unsafe = /[<&\u2028\u2029\r\n]/;

/** The escapes of what is not safe in a script do not count: to the application, they are not there. */
function checkLength(json: string, maxBytes: number): void {
  const bytes = utf8Length(json.replace(/\\u(?:003c|0026|202[89])/g, "_"));
  if (bytes <= maxBytes) return;
  throw new CometError("ERR_MESSAGE", `A message has at most ${maxBytes} bytes of JSON, not ${bytes}.`);
}
