/**
 * The entry `comet-sockets/fastify`: a plugin and a handler of Fastify, over the adapter of Node.
 *
 * Every name here is public. Other folders import nothing of this one.
 */

export { fastifyComet, type FastifyCometOptions, type FastifyLike } from "./fastify-comet.ts";
export {
  fastifyHandler,
  type FastifyHandlerOptions,
  type FastifyReplyLike,
  type FastifyRequestLike,
} from "./fastify-handler.ts";
