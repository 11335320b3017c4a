/** The traffic of a simulation: topics of unequal sizes, and flushes that each reach some of them with messages of some size. */

/** A flush of the simulation: the first `topics` topics get a message of `bytes` bytes each. */
export interface Turn {
  readonly topics: number;
  readonly bytes: number;
}

export interface TrafficSpec {
  readonly seed: number;
  readonly subscribers: number;
  readonly topics: number;
  readonly turns: number;
  /** The smallest and the largest message. */
  readonly bytes: readonly [least: number, most: number];
}

export interface Traffic {
  /** The number of subscribers of each topic, at least 1. */
  readonly sizes: readonly number[];
  readonly turns: readonly Turn[];
}

/**
 * Traffic from a seed, so that it can be repeated. The sizes follow Zipf's law, in random order: a topic's size is inversely proportional to
 * its rank. The number of topics of a turn is uniform, and the logarithm of the message size is.
 */
export function trafficOf({ seed, subscribers, topics, turns, bytes: [least, most] }: TrafficSpec): Traffic {
  if (topics > subscribers) throw new RangeError("Each topic needs a subscriber.");
  const random = generator(seed);
  const harmonic = Array.from({ length: topics }, (_, i) => 1 / (i + 1)).reduce((sum, share) => sum + share, 0);
  // One each, and the rest by rank; the largest topic takes what rounding leaves.
  const rest = subscribers - topics;
  const sizes = Array.from({ length: topics }, (_, i) => 1 + Math.floor(rest / (i + 1) / harmonic));
  sizes[0] = (sizes[0] ?? 0) + subscribers - sizes.reduce((sum, size) => sum + size, 0);
  for (let i = topics - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [sizes[i], sizes[j]] = [sizes[j] ?? 0, sizes[i] ?? 0];
  }
  return {
    sizes,
    turns: Array.from({ length: turns }, () => ({
      topics: 1 + Math.floor(random() * topics),
      bytes: Math.round(least * (most / least) ** random()),
    })),
  };
}

/** The number of the topic that each client follows, in an order that is not sorted by topic. */
export function topicsOfClients(sizes: readonly number[]): readonly number[] {
  const left = [...sizes];
  const order: number[] = [];
  while (order.length < sizes.reduce((sum, size) => sum + size, 0)) {
    for (const [topic, count] of left.entries()) {
      if (count === 0) continue;
      order.push(topic);
      left[topic] = count - 1;
    }
  }
  return order;
}

/** Random numbers from 0 to below 1: a linear congruential generator of 32 bits. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
