/**
 * The entry `comet-sockets/deno`: the adapter of `Deno.serve`.
 *
 * Every name here is public. Other folders import nothing else of this one.
 */

export { denoHandler, type DenoInfoLike } from "./deno-handler.ts";
