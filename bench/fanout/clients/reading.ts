import { MARK } from "../messages.ts";
import type { Sample } from "./sample.ts";

/** What clients share and add to. */
export interface Tally {
  /** Messages, of all clients. */
  messages: number;
  /** Bytes, after the greetings. */
  bytes: number;
  /** Called after each read that brought messages. */
  onMessages: () => void;
}

/** Somebody who follows a stream, and counts what comes. */
export interface Client {
  /** Messages since it was connected. */
  readonly received: number;
  /** When the first byte came, in microseconds since it began to connect. */
  readonly firstByteUs: number;
  /** Reads what comes, if it is there. */
  sample: Sample | undefined;
  /** Resolves when the client is connected, in the sense of its greeting. */
  readonly connected: Promise<void>;
  destroy(): void;
}

/**
 * All sockets read into the same memory: nothing is allocated for a read. One byte more than is read into, for a mark that
 * stops the search.
 */
const READ_BYTES = 65_536;
export const memory: Buffer = Buffer.alloc(READ_BYTES + 1);
export const window: Buffer = memory.subarray(0, READ_BYTES);

/** Counts the marks in a stretch of what was read. The search is native; JavaScript does something once a mark. */
export function countMarks(from: number, end: number): number {
  const next = memory[end] as number;
  memory[end] = MARK;
  let found = 0;
  for (let at = memory.indexOf(MARK, from); at < end; at = memory.indexOf(MARK, at + 1)) found += 1;
  memory[end] = next;
  return found;
}
