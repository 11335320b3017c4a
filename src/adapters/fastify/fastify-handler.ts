import type { Hub } from "../../hub/hub.ts";
import {
  nodeHandler,
  type NodeHandlerLimits,
  type NodeHandlerOptions,
  type NodeRequest,
  type NodeResponse,
} from "../node/index.ts";

/** The part of a Fastify request that the handler uses. */
export interface FastifyRequestLike {
  readonly raw: NodeRequest;
}

/** The part of a Fastify reply that the handler uses. */
export interface FastifyReplyLike {
  readonly raw: NodeResponse;
  getHeaders(): { readonly [name: string]: number | string | readonly string[] | undefined };
  hijack(): unknown;
}

/** Options of every request, or a function of the Fastify request, which may be async. */
export type FastifyHandlerOptions<Request> =
  NodeHandlerOptions | ((request: Request) => NodeHandlerOptions | PromiseLike<NodeHandlerOptions>);

/**
 * Returns a Fastify handler that answers by a hub, as `nodeHandler` does.
 *
 * It takes the reply over from Fastify (`reply.hijack()`), with the headers that hooks and plugins such as
 * `@fastify/cors`, `@fastify/helmet` and `@fastify/cookie` have set on it. Hooks `onSend` and `onResponse` do not run for
 * a stream, so that a plugin that sets its headers there, such as `@fastify/session`, sets none.
 *
 * @param options The options of every request, or a function of the Fastify request, which may be async.
 * @param limits The limits of the handler.
 * @returns The handler. Its promise never rejects, as that of `nodeHandler`.
 * @throws {CometError} `ERR_OPTION` at once for bad `limits`.
 * @example
 * ```ts
 * const live = fastifyHandler(hub, (request: FastifyRequest) => ({ context: request.session.user }));
 * app.get("/live", { preHandler: signedIn }, live);
 * ```
 */
export function fastifyHandler<Request extends FastifyRequestLike = FastifyRequestLike>(
  hub: Hub,
  options: FastifyHandlerOptions<Request> = {},
  limits?: NodeHandlerLimits,
): (request: Request, reply: FastifyReplyLike) => Promise<void> {
  // The options are asked for with Node's request, later.
  const requests = new WeakMap<NodeRequest, Request>();
  const optionsOf =
    typeof options === "function" ? (raw: NodeRequest) => options(requests.get(raw) as Request) : options;
  const handle = nodeHandler(hub, optionsOf, limits);
  return (request, reply) => {
    requests.set(request.raw, request);
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value);
    }
    reply.hijack();
    return handle(request.raw, reply.raw);
  };
}
