/**
 * The input of a hub for each request: the request itself, the application's options for it, and the answer of
 * `authorize`.
 *
 * All names are public. The options come from the application, so that a bad one is its mistake: `onError` gets it, and
 * the client gets 500.
 */

import { CometError, describe } from "../core/errors.ts";
import { parseHostAddress } from "../core/ip-address.ts";
import { checkField } from "../core/validate-field.ts";

/**
 * The policy for a subscriber that reads more slowly than its topic is published to.
 *
 * - `resume`: the hub serves it from the log at its own pace. When unread messages leave the log, the hub ends the
 *   stream, so that the client reconnects with its position and gets a `gap`.
 * - `skip`: as `resume`, but when unread messages leave the log, the stream continues with the newest messages, after a
 *   `gap`.
 * - `latest`: while it is behind, it gets the newest unread message of each key, and unread messages without a key,
 *   after a `gap` that counts the others.
 */
export type OverflowPolicy = "resume" | "skip" | "latest";

/** The part of a request that a hub reads. A web-standard `Request` fits. */
export interface HubRequest {
  readonly method: string;
  /** The URL, or its path and query. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  /**
   * The IP address at the other end of the connection, if it is known. It is read only where a limit of
   * {@link HubOptions} counts addresses. `nodeHandler` takes it from the socket.
   */
  readonly address?: string | undefined;
}

/**
 * The answer of `authorize`.
 *
 * - `true` allows the request; an object without `status` does too, and an empty one is the same as `true`.
 * - `false` refuses it with 403, a status with that status, an object with that `status` as well.
 *
 * Any other answer, or an object with another member, is an error: `onError` gets it, and the client gets 500.
 */
export type Authorization =
  | boolean
  | 401
  | 403
  | 404
  | 429
  | {
      /** The client's identity, instead of `RequestOptions.identity`. @default the handler's */
      readonly identity?: string;
      /**
       * The topics that the client may follow, of those it asked for. The item `open` names the others as `removed`. An
       * empty list refuses the request with 403.
       *
       * @default all topics it asked for
       */
      readonly topics?: readonly string[];
      /**
       * The time at which the permission ends, in milliseconds since 1970 as `Date.now()` counts them: a whole number
       * from 0 to 8.64e15. Multiply the `exp` of a JWT by 1,000. A time that has passed refuses the request with 401.
       *
       * Then the stream ends as `unauthorized`, up to a second late, and the client reconnects at once.
       *
       * @default the permission does not end
       */
      readonly expiresAt?: number;
    }
  | {
      readonly status: 401 | 403 | 404 | 429;
      /**
       * The time before the client may ask again, in milliseconds, from 0 to 2,147,483,647. It is sent as `Retry-After`,
       * rounded up to seconds.
       *
       * @default 5000 with 429, none with other statuses
       */
      readonly retryAfterMs?: number;
    };

/** Options of one request, given to `nodeHandler` or `fetchHandler`. */
export interface RequestOptions {
  /** The topics to follow, one or more, instead of the topics that the request names. */
  readonly topics?: readonly string[];
  /** The policy if this subscriber is too slow. The topic's by default. */
  readonly overflow?: OverflowPolicy;
  /**
   * The client's identity for `presence` of its topics: 1 to 200 characters without CR, LF, NUL and lone surrogates.
   *
   * @default anonymous
   */
  readonly identity?: string;
  /**
   * Anything that `authorize` and the hooks need to know about the client, such as its user or session. The hub passes
   * it on as it is, and keeps it in `Subscription.context` while the subscription is open: a framework's request would
   * take its memory for as long.
   *
   * @default undefined
   */
  readonly context?: unknown;
  /**
   * The IP address of the client or its nearest proxy, IPv4 or IPv6, for the limits that count addresses. Give it to
   * `fetchHandler`, which cannot see connections.
   *
   * @default the address of the socket with `nodeHandler`, unknown with `fetchHandler`
   */
  readonly address?: string;
  /**
   * The `nonce` attribute of every script on the comet wire: a base64 value of at most 256 characters. The hub's policy
   * then allows these scripts alone.
   *
   * @default none
   */
  readonly nonce?: string;
  /**
   * Headers of the stream, which replace the defaults. `no-transform` is added to a `Cache-Control`. A refusal carries only `Content-Security-Policy` and
   * `Cross-Origin-Resource-Policy` of these.
   */
  readonly headers?: NonNullable<ConstructorParameters<typeof Headers>[0]>;
}

/** Checks the options of a request that have no check of their own. @throws {CometError} `ERR_OPTION`. */
export function checkRequestOptions({ topics, overflow, identity, address }: RequestOptions): void {
  checkIdentity(identity);
  if (address !== undefined && (typeof address !== "string" || parseHostAddress(address) === undefined)) {
    throw new CometError("ERR_OPTION", `address must be an IP address, not ${describe(address)}.`);
  }
  if (overflow !== undefined) checkOverflow(overflow);
  if (topics !== undefined && !(isListOfNames(topics) && topics.length > 0)) {
    throw new CometError("ERR_OPTION", `topics must be a list of one or more names, not ${describe(topics)}.`);
  }
}

/** Returns whether a value is a list of strings. */
export function isListOfNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

/** Checks a policy. @throws {CometError} `ERR_OPTION`. */
export function checkOverflow(policy: OverflowPolicy): OverflowPolicy {
  if (["resume", "skip", "latest"].includes(policy)) return policy;
  throw new CometError("ERR_OPTION", `overflow must be "resume", "skip" or "latest", not ${describe(policy)}.`);
}

/** Checks an identity, if there is one. @throws {CometError} `ERR_OPTION`. */
export function checkIdentity(identity: unknown): string | undefined {
  return checkField("identity", identity, "ERR_OPTION");
}
