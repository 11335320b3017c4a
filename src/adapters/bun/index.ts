/**
 * The entry `comet-sockets/bun`: the adapter of `Bun.serve`.
 *
 * Every name here is public. Other folders import nothing else of this one.
 */

export { bunHandler, type BunServerLike } from "./bun-handler.ts";
