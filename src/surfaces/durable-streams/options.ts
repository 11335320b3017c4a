import type { Authorization, HubRequest } from "../../hub/request-options.ts";

/** An action of a client on a stream. `close` closes it, perhaps with a last append. A fork reads its source and creates. */
export type StreamAction = "read" | "create" | "append" | "close" | "delete";

/** Options of {@link durableStreams}. All numbers are integers. A value out of range throws `ERR_OPTION`. */
export interface DurableStreamsOptions {
  /**
   * The beginning of the paths of streams, with a slash at both ends. The rest of a path, decoded, is the name of the stream and of its
   * topic. Other paths get 404.
   *
   * @default "/"
   */
  readonly prefix?: string;
  /**
   * Decides whether a client may do something with a stream. {@link Authorization} has its answers. It has the time limit of the hub's
   * `authorizeTimeoutMs`.
   *
   * @param context The `context` that the handler gave with this request.
   * @default the hub's `authorize` decides on `read`, and all else is refused; a hub without one allows everything
   * @example
   * ```ts
   * durableStreams(hub, { authorize: (request, stream, action) => action === "read" || isWriter(request) });
   * ```
   */
  readonly authorize?: (
    request: HubRequest,
    stream: string,
    action: StreamAction,
    context: unknown,
  ) => Authorization | PromiseLike<Authorization>;
  /** The largest body of a request in bytes, from 1. A larger one gets 413 (`ERR_BODY_SIZE`). @default 1_048_576 */
  readonly maxBodyBytes?: number;
  /** The highest number of streams, from 1. Beyond it, creating one gets 503 (`ERR_LIMIT`). @default 10_000 */
  readonly maxStreams?: number;
  /**
   * The time in milliseconds that a closed stream is kept, from 1 to 2,147,483,647. `Stream-TTL` and `Stream-Expires-At` may end it
   * before.
   *
   * @default 2_147_483_647, which is 24.8 days
   */
  readonly retentionMs?: number;
}
