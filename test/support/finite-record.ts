import { expect } from "vitest";
import type { Outcome } from "../../src/wire/item.ts";
import type { Place } from "../soak/support/position.ts";

/** The end of a topic, as its publisher or its readers know it. */
export interface RecordedEnd {
  readonly offset: number;
  readonly outcome: Outcome;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

/** One life of a topic, which is one epoch. */
interface Life {
  readonly topic: string;
  /** The numbers of which a publisher knows the offsets. */
  readonly published: Map<number, number>;
  /** The numbers that the hub has taken from a source, in the order in which it took them. */
  readonly pulled: number[];
  /** The numbers that readers were sent, by offset. */
  readonly sent: Map<number, number>;
  end: RecordedEnd | undefined;
  sentEnd: RecordedEnd | undefined;
  /** The highest offset after which a reader was told to go on. */
  highestGap: number;
}

/**
 * What publishers have published to each life of each topic, and what readers were sent of it.
 *
 * Numbers only grow, and one is taken when its message is published or pulled from a source. So the numbers of a life in
 * their order are its stream.
 */
export class FiniteRecord {
  readonly #lives = new Map<string, Life>();

  life(topic: string, epoch: string): Life {
    const key = `${topic} ${epoch}`;
    let life = this.#lives.get(key);
    if (life === undefined) {
      life = {
        topic,
        published: new Map(),
        pulled: [],
        sent: new Map(),
        end: undefined,
        sentEnd: undefined,
        highestGap: 0,
      };
      this.#lives.set(key, life);
    }
    return life;
  }

  published(topic: string, { epoch, offset }: Place, number: number): void {
    const { published } = this.life(topic, epoch);
    expect(published.has(offset), `two messages have the offset ${offset}`).toBe(false);
    published.set(offset, number);
  }

  pulled(topic: string, epoch: string, numbers: readonly number[]): void {
    this.life(topic, epoch).pulled.push(...numbers);
  }

  ended(topic: string, epoch: string, end: RecordedEnd): void {
    const life = this.life(topic, epoch);
    expect(end).toEqual(life.end ?? end);
    life.end = end;
  }

  sent(topic: string, { epoch, offset }: Place, number: number): void {
    const { sent } = this.life(topic, epoch);
    expect(number, "all readers get the same").toBe(sent.get(offset) ?? number);
    sent.set(offset, number);
  }

  sentGap(topic: string, { epoch, offset }: Place): void {
    const life = this.life(topic, epoch);
    life.highestGap = Math.max(life.highestGap, offset);
  }

  sentEnd(topic: string, epoch: string, end: RecordedEnd): void {
    const life = this.life(topic, epoch);
    expect(end, "all readers get the same end").toEqual(life.sentEnd ?? end);
    life.sentEnd = end;
  }

  /**
   * Compares what readers were sent with what was published.
   *
   * @param mayEnd Whether a topic may have had an outcome of which no publisher knows.
   */
  verify(mayEnd: (topic: string, outcome: Outcome) => boolean): void {
    for (const life of this.#lives.values()) {
      const { topic, published, pulled, sent, end, sentEnd } = life;
      const numbers = [...published.values(), ...pulled].sort((a, b) => a - b);
      const known = end ?? sentEnd;
      const count = known === undefined ? numbers.length : known.offset - 1;
      // A source may have been pulled once more when its topic had ended.
      if (pulled.length === 0) expect(numbers.length, `the messages of ${topic}`).toBe(count);
      else expect(numbers.length, `the messages of ${topic}`).toBeGreaterThanOrEqual(count);
      for (const [offset, number] of [...published, ...sent]) {
        expect(offset).toBeLessThanOrEqual(count);
        expect(numbers[offset - 1], `${topic} at ${offset}`).toBe(number);
      }
      expect(life.highestGap, "the end of a topic is no message, and is never left out").toBeLessThanOrEqual(count);
      if (sentEnd === undefined) continue;
      if (end !== undefined) expect(sentEnd).toEqual(end);
      else expect(mayEnd(topic, sentEnd.outcome), `${topic} may be ${sentEnd.outcome}`).toBe(true);
    }
  }
}
