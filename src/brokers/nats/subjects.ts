/** Characters that `encodeURIComponent` keeps, and that have a meaning in a subject. */
const special = /[.*]/g;

/**
 * The subjects of one hub. No topic's token is `%`, so that token is free for trials of permissions. Streams and other processes use the
 * same subjects: they must not change.
 */
export interface Subjects {
  /** The pattern of all messages. */
  readonly all: string;
  readonly trial: string;
  /** The pattern to which the server republishes each stored message, with its offset and that of the message before. */
  readonly live: string;
  readonly liveTrial: string;
  readonly signal: string;
  /** The subject of announcements that another epoch has begun. */
  readonly epoch: string;
  of(topic: string): string;
  /** The subject of the renewals of a producer's lease. No topic has it, since a topic's name is one token. */
  leaseOf(topic: string): string;
  liveOf(topic: string): string;
}

export function subjectsOf(prefix: string): Subjects {
  return {
    all: `${prefix}.>`,
    trial: `${prefix}.%`,
    live: `${prefix}-live.>`,
    liveTrial: `${prefix}-live.%`,
    signal: `${prefix}-signal`,
    epoch: `${prefix}-epoch`,
    of: (topic) => `${prefix}.${topicToken(topic)}`,
    leaseOf: (topic) => `${prefix}.${topicToken(topic)}.lease`,
    liveOf: (topic) => `${prefix}-live.${topicToken(topic)}`,
  };
}

/** A topic's name as one token of a subject: most characters other than ASCII letters and digits are percent-encoded. */
export function topicToken(topic: string): string {
  return encodeURIComponent(topic).replace(special, (char) => (char === "." ? "%2E" : "%2A"));
}
