import type { Log } from "../../log/log.ts";

/**
 * A place in each of several logs: the index of the last message sent, and the position that names it.
 *
 * A log forgets the positions of messages that it has dropped, and it may pass a place. So a place keeps its position:
 * the client resumes from the last message that it has, in this process or in another that still holds the next.
 */
export class Cursors {
  readonly #logs: readonly Log[];
  readonly #indexes: number[];
  readonly #positions: string[];

  private constructor(logs: readonly Log[], indexes: number[], positions: string[]) {
    this.#logs = logs;
    this.#indexes = indexes;
    this.#positions = positions;
  }

  /** @param indexes Indexes whose positions the logs know: see `Log.position`. */
  static at(logs: readonly Log[], indexes: readonly number[]): Cursors {
    return new Cursors(
      logs,
      [...indexes],
      logs.map((log, i) => log.position(indexes[i] as number)),
    );
  }

  /** The index of the last message sent of each topic. */
  get indexes(): readonly number[] {
    return this.#indexes;
  }

  /** The position of each topic. */
  get positions(): readonly string[] {
    return this.#positions;
  }

  /** The position that names the places of all topics. */
  get position(): string {
    return this.#positions.join(",");
  }

  /** Moves the place in one log. */
  move(i: number, index: number, position: string = (this.#logs[i] as Log).position(index)): void {
    this.#indexes[i] = index;
    this.#positions[i] = position;
  }

  /** Moves to a place in the same logs. */
  moveTo({ indexes, positions }: Cursors): void {
    for (let i = 0; i < this.#indexes.length; i += 1) {
      this.#indexes[i] = indexes[i] as number;
      this.#positions[i] = positions[i] as string;
    }
  }

  copy(): Cursors {
    return new Cursors(this.#logs, this.#indexes.slice(), this.#positions.slice());
  }
}

/** Returns a name of a place. Batches of one group that begin at places of one name have equal bytes. */
export function placeOf({ indexes, position }: Cursors): string {
  return `${indexes.join()} ${position}`;
}
