import { CometError, describe } from "../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../core/options.ts";

/**
 * Options of every broker over a network: the same names, ranges and defaults in each of them. Times are whole milliseconds. An option
 * that only one engine can have belongs to the options of that broker.
 */
export interface NetworkBrokerOptions {
  /** Time limit of the start and of each attempt to reconnect, from 50. @default 5_000 */
  readonly connectTimeoutMs?: number;
  /** Time limit of each answer of the server, from 50. @default 5_000 */
  readonly timeoutMs?: number;
  /**
   * Interval at which each connection is probed, from 50. A connection that is silent for about two intervals is closed and replaced.
   *
   * @default 2_000
   */
  readonly heartbeatMs?: number;
  /**
   * Upper bound of the delay before an attempt to reconnect, from 10. Each delay is random between 0 and a bound that begins at 100 ms and
   * doubles up to this one.
   *
   * @default 5_000
   */
  readonly maxRetryMs?: number;
  /**
   * Bytes of messages that may await the server's acknowledgement, from 1,024. Beyond them `publish` rejects with `ERR_BROKER` at once; a
   * larger message is still sent when nothing else is pending.
   *
   * @default 16_777_216 (16 MiB)
   */
  readonly maxPendingBytes?: number;
}

/** {@link NetworkBrokerOptions}, checked and complete. */
export type NetworkBrokerSettings = Required<NetworkBrokerOptions>;

/** The bound of the first delay before an attempt to reconnect, in milliseconds. */
export const FIRST_RETRY_MS = 100;

/**
 * Checks the options object of a broker, and those of its options that all brokers over a network have.
 *
 * @param factory The function that takes the options, for the message.
 * @throws {CometError} `ERR_OPTION` if it is not an object, or an option is of the wrong type or out of its range.
 */
export function checkNetworkBrokerOptions(factory: string, options: NetworkBrokerOptions): NetworkBrokerSettings {
  if (typeof (options as unknown) !== "object" || (options as unknown) === null) {
    throw new CometError("ERR_OPTION", `The options of ${factory} must be an object, not ${describe(options)}.`);
  }
  const integer = (name: keyof NetworkBrokerOptions, fallback: number, min: number, max: number): number =>
    assertInteger(name, options[name] ?? fallback, min, max);
  return {
    connectTimeoutMs: integer("connectTimeoutMs", 5000, 50, MAX_TIMER_MS),
    timeoutMs: integer("timeoutMs", 5000, 50, MAX_TIMER_MS),
    heartbeatMs: integer("heartbeatMs", 2000, 50, MAX_TIMER_MS),
    maxRetryMs: integer("maxRetryMs", 5000, 10, MAX_TIMER_MS),
    maxPendingBytes: integer("maxPendingBytes", 16_777_216, 1024, Number.MAX_SAFE_INTEGER),
  };
}

/**
 * Checks that an option is a string of a certain form.
 *
 * @param form The form in words, for the message: `1 to 64 letters`.
 * @throws {CometError} `ERR_OPTION` otherwise.
 */
export function assertForm(name: string, value: unknown, pattern: RegExp, form: string): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new CometError("ERR_OPTION", `${name} must be ${form}, not ${describe(value)}.`);
}
