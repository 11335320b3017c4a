import type { Format } from "../../wire/format.ts";

/**
 * The stream of one topic in a format of a surface (`src/surfaces/`), as {@link Gate.decide} opens it.
 *
 * The surface says what is its own: methods, topic, format, and what to do before the stream opens. The gate does the rest as for the hub's
 * wires: the client's rate, `authorize`, limits, positions, and the shared flush.
 */
export interface SurfaceStream {
  /** The methods that the surface serves. Another one is refused with 405. */
  readonly methods: readonly string[];
  /** The topic to follow, whatever the request and its options name. */
  readonly topic: string;
  /** The format of the stream, whose `wire` must be one of the hub's. The request does not choose. */
  readonly format: Format;
  /** The headers of the stream besides the hub's. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the request may open a stream, and is refused if the hub has no room for another one. */
  readonly needsRoom: boolean;
  /**
   * Acts on the topic. The gate calls it once, after `authorize` has allowed the request and before the stream looks at
   * the topic. A `CometError` refuses the request; any other error is the application's, and the client gets 500.
   *
   * @returns Whether to open a stream. Otherwise the answer is 204.
   */
  readonly act: () => boolean | PromiseLike<boolean>;
}
