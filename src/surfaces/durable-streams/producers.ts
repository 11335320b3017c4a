import { StreamProblem } from "./problem.ts";

/** The headers that a producer sends with an append: its name, its epoch, and the number of the append in that epoch. */
export interface ProducerTag {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** The newest append of each producer of a stream. */
interface ProducerState {
  readonly epoch: number;
  readonly seq: number;
}

/** The most producers of a stream that are remembered. The one that was silent longest is forgotten first. */
const MAX_PRODUCERS = 1000;

/**
 * The producers of a stream, by which a repeated append is recognized and a producer that was replaced is refused.
 *
 * A check and its `accept` must not be interrupted by another append of the stream.
 */
export class Producers {
  readonly #states = new Map<string, ProducerState>();

  /**
   * Checks an append.
   *
   * @returns "new", or the newest accepted number if it is a repeated one.
   * @throws {CometError} `ERR_PRODUCER_LOST` (403) for an older epoch, `ERR_CONFLICT` (409) if appends are missing before it,
   *   `ERR_REQUEST` (400) for a new epoch that does not begin with 0.
   */
  check({ id, epoch, seq }: ProducerTag): "new" | number {
    const state = this.#states.get(id);
    if (state !== undefined && epoch < state.epoch) {
      const why = `A producer with the epoch ${state.epoch} has replaced this one, whose epoch is ${epoch}.`;
      throw new StreamProblem("ERR_PRODUCER_LOST", why, { "producer-epoch": String(state.epoch) });
    }
    if (state !== undefined && epoch === state.epoch && seq <= state.seq) return state.seq;
    if (state !== undefined && epoch > state.epoch && seq !== 0) {
      throw new StreamProblem("ERR_REQUEST", `A new Producer-Epoch begins with the Producer-Seq 0, not ${seq}.`);
    }
    const expected = state !== undefined && epoch === state.epoch ? state.seq + 1 : 0;
    if (seq > expected) {
      throw new StreamProblem("ERR_CONFLICT", `The Producer-Seq ${expected} is missing before ${seq}.`, {
        "producer-expected-seq": String(expected),
        "producer-received-seq": String(seq),
      });
    }
    return "new";
  }

  /** Notes an append that was made. */
  accept({ id, epoch, seq }: ProducerTag): void {
    this.#states.delete(id);
    if (this.#states.size === MAX_PRODUCERS) this.#states.delete(this.#states.keys().next().value as string);
    this.#states.set(id, { epoch, seq });
  }
}

export function isSameTag(one: ProducerTag | undefined, other: ProducerTag | undefined): boolean {
  return one !== undefined && one.id === other?.id && one.epoch === other.epoch && one.seq === other.seq;
}
