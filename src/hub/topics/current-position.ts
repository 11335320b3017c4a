import type { Topics } from "./topics.ts";

/**
 * Implements `Topic.position`, which documents it. The topic is kept alive until its position is known.
 *
 * Invariant: the log must be read from the broker after the call. A message may be published, and its notice still on
 * its way to this process.
 */
export async function currentPosition(topics: Topics, name: string): Promise<string> {
  const { topic, release } = await topics.current(name);
  release();
  return topic.log.position(topic.log.head);
}
