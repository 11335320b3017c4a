import { CometError, describe } from "../../core/errors.ts";
import { isAdmission } from "../../hub/admission/decision.ts";
import type { Hub } from "../../hub/hub.ts";
import { AddressedRequest, hasIdleTimeout } from "../../hub/platform.ts";
import type { RequestOptions } from "../../hub/request-options.ts";
import { respond } from "../../hub/respond.ts";
import { DirectBody } from "./direct-body.ts";

/** The part of Bun's server that the adapter uses: the second argument of `fetch` of `Bun.serve`. */
export interface BunServerLike {
  timeout(request: Request, seconds: number): void;
  requestIP(request: Request): { readonly address: string } | null;
}

/**
 * Returns a handler for `fetch` of `Bun.serve`, which answers as `hub.fetch` does.
 *
 * A stream is written by Bun's direct streams, which costs less than a web stream and has real backpressure. The limits
 * that count addresses see the client's address. The idle timeout of `Bun.serve`, 10 s by default, is off for streams
 * and waiting polls, as it is with `hub.fetch`.
 *
 * @param options The options of every request, or a function of the request and Bun's server.
 * @returns The handler. It never rejects: bad options, errors of the function, and a missing server (`ERR_RUNTIME`) go to
 *   the hub's `onError`, and the client gets 500.
 * @example
 * ```ts
 * Bun.serve({ port: 4000, fetch: bunHandler(hub) });
 * ```
 */
export function bunHandler(
  hub: Hub,
  options:
    RequestOptions | ((request: Request, server: BunServerLike) => RequestOptions | PromiseLike<RequestOptions>) = {},
): (request: Request, server: BunServerLike) => Promise<Response> {
  return async (request, server) => {
    const optionsOf = (): RequestOptions | PromiseLike<RequestOptions> => {
      assertServer(server);
      return typeof options === "function" ? options(request, server) : options;
    };
    const view = new AddressedRequest(request, () => server.requestIP(request)?.address);
    const decision = await hub._decide(view, optionsOf);
    if (!isAdmission(decision) || decision.wire === "poll" || request.signal.aborted) {
      return respond(request, decision, [server]);
    }
    server.timeout(request, 0);
    return new DirectBody(request, decision, (error) => hub._report(error)).response;
  };
}

function assertServer(server: unknown): void {
  if (hasIdleTimeout(server) && "requestIP" in server) return;
  throw new CometError(
    "ERR_RUNTIME",
    `bunHandler needs Bun's server as its second argument, not ${describe(server)}: pass on what Bun.serve gives to fetch.`,
  );
}
