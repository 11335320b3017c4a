import type { ClientWire } from "./client-wire.ts";

/** Options of a source. The client does not check them: a wrong one costs every page bytes to refuse. */
export interface FollowOptions {
  /** The wire of all its connections. */
  readonly wire: ClientWire;
  /** Whether requests to another origin carry cookies. @default false */
  readonly withCredentials?: boolean;
  /**
   * The bound of the first reconnection delay, in milliseconds, from 0; each further failure doubles it. Delays are
   * random between 0 and their bound, and no shorter than the server asks for.
   * @default 1000
   */
  readonly backoffMs?: number;
  /** The bound of every reconnection delay, in milliseconds, from 0. @default 30000 */
  readonly maxBackoffMs?: number;
  /** The time that a connection has to open, in milliseconds; 0 disables it. @default 10000 */
  readonly openTimeoutMs?: number;
}
