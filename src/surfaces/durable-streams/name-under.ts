import { CometError } from "../../core/errors.ts";
import { checkTopicName } from "../../log/position.ts";
import { CONTROL_PREFIX } from "./control-topic.ts";

/** The first part of the paths that the protocol keeps for itself. */
const RESERVED = "__ds";

/**
 * Returns the name of the stream that a path is of: what follows the prefix, decoded.
 *
 * @throws {CometError} `ERR_TOPIC_UNKNOWN` (404) for a path without the prefix, and for those that the protocol reserves; `ERR_TOPIC` (400)
 *   for a malformed name.
 */
export function nameUnder(prefix: string, path: string): string {
  if (!path.startsWith(prefix)) throw new CometError("ERR_TOPIC_UNKNOWN", `The paths of streams begin with ${prefix}.`);
  const name = checkTopicName(decode(path.slice(prefix.length)));
  checkTopicName(CONTROL_PREFIX + name);
  if (name.startsWith(CONTROL_PREFIX)) throw new CometError("ERR_TOPIC_UNKNOWN", "There is no such stream.");
  if (name === RESERVED || name.startsWith(`${RESERVED}/`)) {
    throw new CometError("ERR_TOPIC_UNKNOWN", "This server has no subscriptions.");
  }
  return name;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new CometError("ERR_TOPIC", "The path of the stream is not encoded in UTF-8.", { cause });
  }
}
