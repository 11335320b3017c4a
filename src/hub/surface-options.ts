import type { Format } from "../wire/format.ts";
import type { RequestOptions } from "./request-options.ts";

/**
 * The answer of a surface (`src/surfaces/`) to one request, through the hub.
 *
 * The surface checks the method itself, so any method may open a stream. The hub does the rest as for its own wires:
 * the rate of the client, `authorize`, limits, positions, and the shared flush.
 */
export interface SurfaceAnswer {
  /** The format of the stream, whose `wire` must be one of the hub's. The request does not choose. */
  readonly format: Format;
  /** Whether the request may open a stream, and is refused if the hub has no room for another one. */
  readonly needsRoom: boolean;
  /**
   * Acts on the topics. The hub calls it once, after `authorize` has allowed the request and before the stream looks at
   * the topics. A `CometError` refuses the request; any other error is the application's, and the client gets 500.
   *
   * @returns Whether to open a stream. Otherwise the answer is 204.
   */
  readonly act: () => boolean | PromiseLike<boolean>;
}

/** The options of a request that a surface answers. */
export interface SurfaceOptions extends RequestOptions {
  readonly surface?: SurfaceAnswer;
}
