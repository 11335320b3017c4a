/**
 * Every code that a {@link CometError} can carry. A code never changes its meaning; messages may.
 *
 * | code | what was wrong |
 * | --- | --- |
 * | `ERR_OPTION` | an argument or option is of the wrong type or out of its range |
 * | `ERR_CALLBACK` | a callback is not a dotted identifier path of at most 128 characters |
 * | `ERR_NONCE` | a nonce is not a base64 value of at most 256 characters |
 * | `ERR_ENCODER` | a value is neither a string nor JSON, and no encoder was given for it |
 * | `ERR_HTML` | a value stands in a place of an `html` template where no value of its type is safe |
 * | `ERR_SOURCE` | something that was to be a source of elements is not one |
 * | `ERR_SOURCE_USED` | a source that can run only once was run again |
 * | `ERR_OVERFLOW` | a consumer fell further behind than the declared bound allows |
 * | `ERR_TIMEOUT` | a source gave nothing within the time that it was allowed |
 * | `ERR_CHANNEL_ENDED` | a channel was used after its `end` or `fail` |
 * | `ERR_ELEMENT` | an element of a chunked response is not `Html`, a string or bytes, or not of the response's own kind |
 * | `ERR_RESPONSE` | a status or header cannot stand on a chunked response, or the response has begun already |
 * | `ERR_PARAMETER` | a query parameter is given too often, or has no such value |
 * | `ERR_WIRE` | there is no such wire, or no such mode of it |
 * | `ERR_ACCEPT` | none of the wires is acceptable to the client |
 * | `ERR_METHOD` | a stream was asked for with another method than GET or HEAD |
 * | `ERR_TOPIC` | no topic is named, too many are, or a name is not one |
 * | `ERR_TOPIC_UNKNOWN` | the hub has no such topic |
 * | `ERR_POSITION` | a position is malformed or too long |
 * | `ERR_UNAUTHORIZED` | the application wants to know who the client is |
 * | `ERR_FORBIDDEN` | the application does not allow the client to follow these topics |
 * | `ERR_AUTHORIZE` | the application's `authorize` failed, or did not decide in time |
 * | `ERR_LIMIT` | the hub has as many connections, or topics, as it is allowed |
 * | `ERR_CLOSED` | the hub is closing, or closed |
 * | `ERR_BROKER` | the broker cannot be reached, or failed: what was to be published is not |
 * | `ERR_BROKER_CONFIG` | the broker is not set up as it must be, or refuses this hub |
 * | `ERR_UNACKNOWLEDGED` | the broker did not say in time whether it has a message: it may be published, or not |
 * | `ERR_MESSAGE` | a message is too large, or its event name, key or id cannot be sent |
 */
export type CometErrorCode =
  | "ERR_OPTION"
  | "ERR_CALLBACK"
  | "ERR_NONCE"
  | "ERR_ENCODER"
  | "ERR_HTML"
  | "ERR_SOURCE"
  | "ERR_SOURCE_USED"
  | "ERR_OVERFLOW"
  | "ERR_TIMEOUT"
  | "ERR_CHANNEL_ENDED"
  | "ERR_ELEMENT"
  | "ERR_RESPONSE"
  | "ERR_PARAMETER"
  | "ERR_WIRE"
  | "ERR_ACCEPT"
  | "ERR_METHOD"
  | "ERR_TOPIC"
  | "ERR_TOPIC_UNKNOWN"
  | "ERR_POSITION"
  | "ERR_UNAUTHORIZED"
  | "ERR_FORBIDDEN"
  | "ERR_AUTHORIZE"
  | "ERR_LIMIT"
  | "ERR_CLOSED"
  | "ERR_BROKER"
  | "ERR_BROKER_CONFIG"
  | "ERR_UNACKNOWLEDGED"
  | "ERR_MESSAGE";

/** The one error class of this package. Tell errors apart by `code`; `cause` holds what was underneath, if anything. */
export class CometError extends Error {
  override readonly name = "CometError";
  readonly code: CometErrorCode;

  constructor(code: CometErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A short, safe description of any value for an error message: its type, and a little of a string. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "string")
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "object") {
    const name = Object.prototype.toString.call(value).slice(8, -1);
    const constructor: unknown = value.constructor;
    return `an object of type ${typeof constructor === "function" && constructor.name !== "" ? constructor.name : name}`;
  }
  return typeof value;
}
