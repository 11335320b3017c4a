import { CometError } from "../../core/errors.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { Topics } from "./topics.ts";

/**
 * Implements `Topic.position`, which documents it. The topic is kept alive until its position is known.
 *
 * Invariant: the log must be read from the broker after the call. A message may be published, and its notice still on
 * its way to this process.
 */
export async function currentPosition(topics: Topics, name: string): Promise<string> {
  const [topic] = topics.getOrCreate([name]) as [LiveTopic];
  const holder = (): void => undefined;
  topic.addReader(holder);
  try {
    await topics.refresh(topic);
    return topic.log.position(topic.log.head);
  } catch (cause) {
    if (cause instanceof CometError && cause.code === "ERR_CLOSED") throw cause;
    throw new CometError("ERR_BROKER", "The position is unknown: the broker cannot be read.", { cause });
  } finally {
    topic.removeReader(holder);
  }
}
