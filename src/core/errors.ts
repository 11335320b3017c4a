/**
 * The codes of a {@link CometError}. A code never changes its meaning; messages may.
 *
 * | code | cause |
 * | --- | --- |
 * | `ERR_OPTION` | an argument or option is of the wrong type or out of range |
 * | `ERR_CALLBACK` | a callback is not a dotted identifier path of at most 128 characters |
 * | `ERR_NONCE` | a nonce is not a base64 value of at most 256 characters |
 * | `ERR_ENCODER` | a value is neither a string nor JSON, and there is no encoder for it |
 * | `ERR_HTML` | no value of its type is safe in its context of an `html` template |
 * | `ERR_SOURCE` | an argument is no source of elements |
 * | `ERR_SOURCE_USED` | a source that can run only once is run again |
 * | `ERR_OVERFLOW` | a consumer lags by more than its declared bound |
 * | `ERR_TIMEOUT` | a source emitted nothing within its time limit |
 * | `ERR_CHANNEL_ENDED` | a channel is used after its `end` or `fail` |
 * | `ERR_ELEMENT` | an element of a chunked response is not `Html`, a string or bytes, or not of the response's own kind |
 * | `ERR_RESPONSE` | a chunked response cannot have this status or header, or it has begun already |
 * | `ERR_RUNTIME` | the runtime cannot do this here, such as a hub in a plain Worker |
 * | `ERR_PARAMETER` | a query parameter is repeated or has an invalid value |
 * | `ERR_WIRE` | the wire, or its mode, does not exist |
 * | `ERR_ACCEPT` | the client accepts none of the wires |
 * | `ERR_METHOD` | a stream is requested with another method than GET or HEAD |
 * | `ERR_TOPIC` | the request names no topic or too many, or a name is invalid |
 * | `ERR_TOPIC_UNKNOWN` | the hub has no such topic |
 * | `ERR_POSITION` | a position is malformed or too long |
 * | `ERR_UNAUTHORIZED` | the application requires the client to authenticate |
 * | `ERR_FORBIDDEN` | the application does not allow the client to follow these topics |
 * | `ERR_AUTHORIZE` | the application's `authorize` failed or timed out |
 * | `ERR_HANDLER` | the application's options for a request are invalid, or their function failed |
 * | `ERR_REQUEST` | a header, an offset or the body of a request is invalid |
 * | `ERR_BODY_SIZE` | the body of a request is too large |
 * | `ERR_CONFLICT` | a request contradicts the state of what it names, or comes out of sequence |
 * | `ERR_QUERY` | the query of the request is too long, or has too many parameters |
 * | `ERR_LIMIT` | the hub has reached its limit of connections or topics |
 * | `ERR_RATE` | the client has too many connections, or sends too many requests |
 * | `ERR_CLOSED` | the hub is shutting down or closed |
 * | `ERR_BROKER` | the broker is unreachable or failed: the message is not published |
 * | `ERR_BROKER_CONFIG` | the broker's configuration is wrong, or it refuses this hub |
 * | `ERR_UNACKNOWLEDGED` | the broker did not acknowledge a message in time: it may be published or not |
 * | `ERR_ENDED` | the topic has ended: nothing can be published to it |
 * | `ERR_TOPIC_EXPIRED` | the topic has ended, and its messages are no longer kept |
 * | `ERR_PRODUCER_LOST` | the process that produced the topic has died or lost its lease |
 * | `ERR_FAILED` | the source of the topic has failed |
 * | `ERR_MESSAGE` | a message is too large, or its event name, key or id is invalid |
 * | `ERR_VERSION` | two versions of this package use one shared hub |
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
  | "ERR_RUNTIME"
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
  | "ERR_HANDLER"
  | "ERR_REQUEST"
  | "ERR_BODY_SIZE"
  | "ERR_CONFLICT"
  | "ERR_QUERY"
  | "ERR_LIMIT"
  | "ERR_RATE"
  | "ERR_CLOSED"
  | "ERR_BROKER"
  | "ERR_BROKER_CONFIG"
  | "ERR_UNACKNOWLEDGED"
  | "ERR_ENDED"
  | "ERR_TOPIC_EXPIRED"
  | "ERR_PRODUCER_LOST"
  | "ERR_FAILED"
  | "ERR_MESSAGE"
  | "ERR_VERSION";

/** The error class of this package. `code` distinguishes errors; `cause` is the underlying error, if there is one. */
export class CometError extends Error {
  override readonly name = "CometError";
  readonly code: CometErrorCode;

  constructor(code: CometErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Describes any value for an error message, shortly and safely: its type, and the start of a string. */
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
