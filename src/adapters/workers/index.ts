/**
 * The entry `comet-sockets/workers`: the adapter of Cloudflare Workers.
 *
 * Every name here is public. Other folders import nothing else of this one.
 */

export {
  cometObject,
  type CometObject,
  type CometObjectOptions,
  type DurableObjectClassLike,
  type DurableObjectStateLike,
} from "./comet-object.ts";
export type { ObjectStorageLike, SqlValue } from "../../brokers/sqlite/object-database.ts";
