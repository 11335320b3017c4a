import { CometError, describe } from "../core/errors.ts";
import { utf8Length } from "../core/utf8.ts";
import type { BrokerMessage } from "../log/broker.ts";
import type { Publication } from "../log/entry.ts";
import { jsonLiteral } from "../wire/literal.ts";
import { RESERVED_EVENT_PREFIX } from "../wire/sse.ts";
import type { PublishOptions } from "./topic.ts";

const MAX_FIELD_LENGTH = 200;

/** What would end a field of an event stream, be ignored there, or not survive UTF-8. */
const unfit = /[\r\n\0]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/**
 * Checks and encodes what is to be published.
 *
 * @throws {CometError} `ERR_ENCODER`, `ERR_MESSAGE`.
 */
export function encodeMessage(data: unknown, options: PublishOptions, maxBytes: number): Publication {
  const event = checkField("event", options.event);
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
    key: checkField("key", options.key),
    messageId: checkField("messageId", options.messageId),
    bytes,
  };
}

/** A message as a broker gives it back. */
export function decodeMessage({ json, event, key, messageId }: BrokerMessage): Publication {
  const text = json.startsWith('"') ? (JSON.parse(json) as string) : undefined;
  return { json, text, event, key, messageId, bytes: utf8Length(json) };
}

/** The escapes of what is not safe in a script do not count: to the application, they are not there. */
function checkLength(json: string, maxBytes: number): void {
  const bytes = utf8Length(json.replace(/\\u(?:003c|0026|202[89])/g, "_"));
  if (bytes <= maxBytes) return;
  throw new CometError("ERR_MESSAGE", `A message has at most ${maxBytes} bytes of JSON, not ${bytes}.`);
}

function checkField(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "" && value.length <= MAX_FIELD_LENGTH && !unfit.test(value)) {
    return value;
  }
  throw new CometError(
    "ERR_MESSAGE",
    `The ${name} of a message must be 1 to ${MAX_FIELD_LENGTH} characters without line ends, NUL and lone surrogates, not ${describe(value)}.`,
  );
}
