/** What `encodeURIComponent` leaves as it is, and means something in a subject. */
const meaningful = /[.*]/g;

/** A topic's name as one token of a subject: what is neither a letter nor a digit of ASCII is mostly percent-encoded. */
export function topicToken(topic: string): string {
  return encodeURIComponent(topic).replace(meaningful, (char) => (char === "." ? "%2E" : "%2A"));
}

/** The subjects of one hub. No topic's token is `%`, so a subject of that may be tried out. */
export interface Subjects {
  readonly all: string;
  readonly trial: string;
  /** Where the server publishes every message that it has stored, with its offset and that of the message before. */
  readonly live: string;
  readonly liveTrial: string;
  readonly signal: string;
  /** Where is told that there is another epoch. */
  readonly epoch: string;
  of(topic: string): string;
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
    liveOf: (topic) => `${prefix}-live.${topicToken(topic)}`,
  };
}
