import type { ReceivedItem, WireFailure } from "./client-wire.ts";
import type { OwnEvents } from "./event-map.ts";

/** The types of what `logWire` logs. */
export type WireLogType = "request" | "opened" | "failed" | "ending" | "expiring" | "late" | "closed";

/** An entry of the log of a source or of its wires. */
export interface LogEntry {
  /**
   * An event of the source, or what a wire has done:
   *
   * - `request`: the client opens a connection
   * - `opened`: the stream has begun
   * - `failed`: the connection was refused or has broken
   * - `ending`: the server ends the stream
   * - `expiring`: the connection is being replaced, since it costs the page more and more memory
   * - `late`: something on the way holds the stream back
   * - `closed`: the client itself has closed the connection, since another one replaces it, it was silent, or the page
   *   has closed the source
   */
  readonly type: keyof OwnEvents | WireLogType;
  /** The event and its reason, in one line. */
  readonly text: string;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
  /** The position then; for a wire, that of its request. */
  readonly position: string;
  /** The name of the wire, for an entry of a wire. */
  readonly wire?: string;
  /** The event of the source. */
  readonly event?: OwnEvents[keyof OwnEvents];
  /** The item of the stream, for `opened` and `ending`. */
  readonly item?: ReceivedItem;
  /** The failure, for `failed`. */
  readonly failure?: WireFailure;
}

/** Receives a line of text, and its entry. `console.log` and `console.debug` are such functions. */
export type LogFunction = (line: string, entry: LogEntry) => void;
