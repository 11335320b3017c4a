import type { TopicOptions } from "../../hub/topic-options.ts";

/**
 * The options of a topic that holds answers, for the hub's `topics`: kept for an hour after the end, with room for
 * 100,000 chunks or 16 MiB.
 *
 * @example
 * ```ts
 * const hub = new Hub({ topics: (name) => name.startsWith("chat:") && answerTopic });
 * ```
 */
export const answerTopic: TopicOptions = {
  finite: true,
  ttlMs: 3_600_000,
  log: { maxEntries: 100_000, maxBytes: 16_777_216 },
};
