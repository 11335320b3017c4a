import type { Decision } from "./admission/decision.ts";
import type { HubRequest, RequestOptions } from "./request-options.ts";

/** A request whose body can be read: a web-standard `Request`, or the view of an adapter. */
export interface RequestWithBody extends HubRequest {
  /** The body of a web-standard request. */
  readonly body?: ReadableStream<Uint8Array> | null;
  /**
   * Reads the body where the adapter does it.
   *
   * @returns Resolves to the body; to `undefined` if it is longer than `maxBytes`. Rejects if the client disconnects.
   */
  readBody?(maxBytes: number): Promise<Uint8Array | undefined>;
  /** The scheme and host of the URL, where `url` has only the path. */
  readonly origin?: string | undefined;
}

/** An object that answers requests: a `Hub`, or a surface over one, such as `durableStreams(hub)`. `nodeHandler` and `fetchHandler` take it. */
export interface Endpoint {
  /**
   * Answers a web-standard request. It is bound, and takes what runtimes pass besides. It never rejects.
   *
   * @returns The response.
   */
  readonly fetch: (request: Request, ...platform: readonly unknown[]) => Promise<Response>;
  /** @internal Whether it reads the bodies of requests. Otherwise an adapter discards them. */
  readonly _readsBodies?: boolean;
  /** @internal Decides on a request for an adapter. Never throws or rejects. */
  _decide(
    request: RequestWithBody,
    optionsOf: () => RequestOptions | PromiseLike<RequestOptions>,
  ): Decision | PromiseLike<Decision>;
  /** @internal Reports an error that has no caller to the application's `onError`. */
  _report(error: unknown): void;
}
