import { CometError, describe } from "../../core/errors.ts";
import { assertInteger, MAX_TIMER_MS } from "../../core/options.ts";
import type { Hub } from "../../hub/hub.ts";
import { closeConnections, type ConnectionsServer } from "../node/close-connections.ts";
import {
  fastifyHandler,
  type FastifyHandlerOptions,
  type FastifyReplyLike,
  type FastifyRequestLike,
} from "./fastify-handler.ts";

/** The part of a Fastify instance that the plugin uses. */
export interface FastifyLike {
  readonly server: ConnectionsServer;
  addHook(name: "preClose", hook: () => Promise<void>): unknown;
  route(route: {
    method: ("GET" | "HEAD" | "OPTIONS")[];
    url: string;
    handler: (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<void>;
  }): unknown;
}

/** Options of {@link fastifyComet}. */
export interface FastifyCometOptions<Request extends FastifyRequestLike = FastifyRequestLike> {
  /** The hub. The plugin closes it before Fastify closes its server. */
  readonly hub: Hub;
  /** The path of a route for the hub, for GET, HEAD and OPTIONS. @default no route */
  readonly path?: string;
  /** The options of the route's requests, or a function of the Fastify request, which may be async. @default {} */
  readonly options?: FastifyHandlerOptions<Request>;
  /** The time over which `app.close()` ends the streams, in milliseconds, from 0 to 2,147,483,647. @default 5000 */
  readonly drainMs?: number;
}

const DEFAULT_DRAIN_MS = 5000;
/** The time for other requests once the hub is closed, in milliseconds. */
const CLOSE_TIMEOUT_MS = 5000;

/**
 * A Fastify plugin that ends the streams of a hub before Fastify closes its server, and adds a route for the hub.
 *
 * Without it `app.close()` waits for the streams, and its hooks `onClose` never run. The plugin closes the hub in the
 * hook `preClose`. Other requests then get 5 s, before their connections are closed. It listens to no signal: call `app.close()` on SIGTERM, or use `drainOnSignal(hub, app)`.
 *
 * Hooks of the scope that it is registered in, such as one that authenticates, run before the route. For a route with
 * hooks of its own leave `path` out, and use `fastifyHandler`.
 *
 * @throws {CometError} `ERR_OPTION`, by the promise of `register`, for bad options.
 * @example
 * ```ts
 * const options = (request: FastifyRequest) => ({ context: request.session.user });
 * await app.register(fastifyComet, { hub, path: "/live", options });
 * ```
 */
export function fastifyComet<Request extends FastifyRequestLike = FastifyRequestLike>(
  app: FastifyLike,
  { hub, path, options = {}, drainMs = DEFAULT_DRAIN_MS }: FastifyCometOptions<Request>,
  done: (error?: Error) => void,
): void {
  try {
    if (typeof (hub as Hub | undefined)?.close !== "function") {
      throw new CometError("ERR_OPTION", `The option hub of fastifyComet must be a hub, not ${describe(hub)}.`);
    }
    assertInteger("drainMs", drainMs, 0, MAX_TIMER_MS);
    app.addHook("preClose", async () => {
      await hub.close({ drainMs });
      closeConnections(app.server, CLOSE_TIMEOUT_MS);
    });
    if (path !== undefined) {
      const handler = fastifyHandler(hub, options as FastifyHandlerOptions<FastifyRequestLike>);
      app.route({ method: ["GET", "HEAD", "OPTIONS"], url: path, handler });
    }
    done();
  } catch (error) {
    done(error as Error);
  }
}
