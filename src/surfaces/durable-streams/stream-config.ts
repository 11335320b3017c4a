/** The properties that a stream is created with. They never change. */
export interface StreamConfig {
  /** A random name of this life of the stream: one that is deleted and created again has another. */
  readonly id: string;
  readonly contentType: string;
  /** The time in seconds after the last read or append at which the stream expires. */
  readonly ttlSeconds?: number | undefined;
  /** The time at which it expires, in milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
  /** The request of its creation, as a text: a request that asks for the same creates nothing. */
  readonly asked: string;
  readonly fork?: ForkConfig | undefined;
}

/** The origin of a stream that continues another one: it begins with a copy of its messages up to a place. */
export interface ForkConfig {
  /** The path that the request named, and the name of the stream there. */
  readonly from: string;
  readonly source: string;
  /**
   * The offsets that it shares with the stream that it was forked from: each with the greatest number that has this epoch, in
   * ascending order.
   */
  readonly lineage: readonly { readonly through: number; readonly epoch: string }[];
  /** The number that is added to the offset of a message in its topic, so that the numbers continue those of the stream that it was forked from. */
  readonly shift: number;
}
