import { CometError } from "../../core/errors.ts";
import { markScript, permissionsScript } from "./check-scripts.ts";
import { isClusterClient, type RedisClient, type RedisClusterClient } from "./redis-client.ts";
import type { TopicKeys } from "./redis-keys.ts";
import type { RedisLink } from "./redis-link.ts";
import { fieldsOf, isDenied, isWrongType, textOf } from "./replies.ts";

/** The version of the layout of all keys. Servers keep it, so a change of the layout needs another version. */
const LAYOUT = "2";
/** The oldest supported version of Redis. */
const OLDEST = [6, 2] as const;

/**
 * Checks that the server is new enough, of the client's kind, writable, and does not evict keys. Uses sharded channels if it can.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG`.
 */
export async function checkServer(link: RedisLink, client: RedisClient | RedisClusterClient): Promise<void> {
  const { server, version, mode, role } = fieldsOf(await link.sendToAny(["HELLO"]));
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw configError(
      `This is ${server ?? "a server"} ${version ?? "of no version"}: it must be Redis 6.2 or newer, or Valkey.`,
    );
  }
  if (mode === "cluster" && !isClusterClient(client)) {
    throw configError(
      "This is a server of a Redis Cluster: client must be made by createCluster of the package redis, or by the adapter for the Cluster " +
        "of ioredis in docs/brokers.md.",
    );
  }
  if (role === "replica" || role === "slave") {
    throw configError("This is a replica, which cannot be written to: connect to its master.");
  }
  if (mode === "cluster" && major >= 7) link.useShardedChannels();
  await Promise.all(link.hashTags.map((tag) => checkEviction(link, tag)));
}

/** Checks that a server evicts nothing. A user without the permission for INFO, or a server without its line, is not checked. */
async function checkEviction(link: RedisLink, hashTag: string): Promise<void> {
  let memory: string;
  try {
    memory = textOf(await link.send(`{${hashTag}}`, ["INFO", "memory"]));
  } catch (error) {
    if (isDenied(error) || (error instanceof Error && error.message.startsWith("ERR "))) return;
    throw error;
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
  if (policy === undefined || policy === "noeviction") return;
  throw configError(
    `The server's maxmemory-policy is ${policy}, so it may remove messages unnoticed when its memory is full: set it to noeviction.`,
  );
}

/** Checks the key that marks the prefix as taken, and creates it. @throws {CometError} `ERR_BROKER_CONFIG` if it is foreign. */
export async function checkMark(link: RedisLink, mark: string): Promise<void> {
  let version: string;
  try {
    version = textOf(await link.send(mark, ["EVAL", markScript, "1", mark, LAYOUT]));
  } catch (error) {
    if (isWrongType(error)) throw foreignKey(mark, error);
    throw error;
  }
  if (version === "") throw foreignKey(mark, undefined);
  if (version === LAYOUT) return;
  throw configError(
    `The data under the prefix ${mark} are of another version of comet-sockets (${version}, not ${LAYOUT}): use another prefix.`,
  );
}

/**
 * Runs each command of the scripts on a topic without subscribers.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG` that names those that the user may not run.
 */
export async function checkPermissions(link: RedisLink, { log, meta, channel }: TopicKeys, id: string): Promise<void> {
  const denied = await link.send(log, ["EVAL", permissionsScript, "4", log, meta, channel, id, link.publishCommand]);
  if (!Array.isArray(denied) || denied.length === 0) return;
  const [commands, reasons] = [new Set<string>(), new Set<string>()];
  for (let i = 0; i < denied.length; i += 2) {
    commands.add(textOf(denied[i]));
    reasons.add(textOf(denied[i + 1]).replace(/ ?script: .*/, ""));
  }
  throw configError(
    `The user of Redis lacks permissions that a hub needs. Denied in a script: ${[...commands].join(", ")} (${[...reasons].join("; ")}). ` +
      "docs/brokers.md has the complete list.",
  );
}

function configError(message: string): CometError {
  return new CometError("ERR_BROKER_CONFIG", message);
}

function foreignKey(key: string, cause: unknown): CometError {
  return new CometError("ERR_BROKER_CONFIG", `The key ${key} does not belong to comet-sockets: set another prefix.`, {
    cause,
  });
}
