import type { Format } from "../wire/format.ts";
import type { LogMemory } from "./log-memory.ts";
import { Tape, type Piece, type TapeSource } from "./tape.ts";

/**
 * The tapes of one log, by format. There are as many as there are wires and modes, however many callbacks.
 *
 * Invariant: the memory learns of every change of their size, and may drop each of them at any time.
 */
export class Tapes {
  readonly #log: TapeSource;
  readonly #memory: LogMemory;
  readonly #byFrameKey = new Map<string, Tape>();

  constructor(log: TapeSource, memory: LogMemory) {
    this.#log = log;
    this.#memory = memory;
  }

  /** Implements `Log.read`, which documents it. */
  read(format: Format, index: number, limit: number): Piece {
    const { frameKey, wrapper } = format;
    let tape = this.#byFrameKey.get(frameKey);
    const before = tape?.held ?? 0;
    if (tape === undefined) this.#byFrameKey.set(frameKey, (tape = new Tape(this.#log, format, this.#onDrop)));
    const piece = wrapper === undefined ? tape.read(index, limit) : tape.readWrapped(index, limit, format);
    this.#memory.tapeUsed(tape, tape.held - before);
    return piece;
  }

  /** Drops what belongs to messages that have left the log. */
  trim(): void {
    for (const tape of this.#byFrameKey.values()) {
      const before = tape.held;
      tape.trim();
      this.#memory.tapeTrimmed(tape.held - before);
    }
  }

  clear(): void {
    for (const tape of this.#byFrameKey.values()) tape.drop();
  }

  readonly #onDrop = (tape: Tape): void => {
    this.#byFrameKey.delete(tape.frameKey);
    this.#memory.tapeDropped(tape);
  };
}
