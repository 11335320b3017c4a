import { CometError, describe } from "../../core/errors.ts";
import type { Hub } from "../../hub/hub.ts";
import { AddressedRequest, completionOf } from "../../hub/platform.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { respond } from "../../hub/respond.ts";

/** The part of Deno's information on a request that the adapter uses: the second argument of `Deno.serve`'s handler. */
export interface DenoInfoLike {
  /** The address of the client. One of a Unix socket has no `hostname`. */
  readonly remoteAddr: object;
  /** Settles when the response has been sent. */
  readonly completed: PromiseLike<unknown>;
}

/**
 * Returns a handler for `Deno.serve`, which answers as `hub.fetch` does.
 *
 * The limits that count addresses see the client's address, and `hub.close` resolves only when Deno has sent the last
 * bytes of each response, so that the process may exit.
 *
 * @param options The options of every request, or a function of the request and Deno's information on it.
 * @returns The handler. It never rejects: bad options, errors of the function, and missing information (`ERR_RUNTIME`) go
 *   to the hub's `onError`, and the client gets 500.
 * @example
 * ```ts
 * Deno.serve({ port: 4000 }, denoHandler(hub));
 * ```
 */
export function denoHandler(
  hub: Hub,
  options:
    RequestOptions | ((request: Request, info: DenoInfoLike) => RequestOptions | PromiseLike<RequestOptions>) = {},
): (request: Request, info: DenoInfoLike) => Promise<Response> {
  return (request, info) => {
    const optionsOf = (): RequestOptions | PromiseLike<RequestOptions> => {
      assertInfo(info);
      return typeof options === "function" ? options(request, info) : options;
    };
    const view = new AddressedRequest(request, () => addressOf(info));
    return respond(request, hub._decide(view, optionsOf), [info]);
  };
}

function addressOf({ remoteAddr }: DenoInfoLike): string | undefined {
  return "hostname" in remoteAddr && typeof remoteAddr.hostname === "string" ? remoteAddr.hostname : undefined;
}

function assertInfo(info: unknown): void {
  if (completionOf([info]) !== undefined && typeof (info as DenoInfoLike).remoteAddr === "object") return;
  throw new CometError(
    "ERR_RUNTIME",
    `denoHandler needs Deno's information on the request as its second argument, not ${describe(info)}: pass on what Deno.serve gives to its handler.`,
  );
}
