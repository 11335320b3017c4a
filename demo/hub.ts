import { Hub, type Broker, type TopicOptions } from "comet-sockets";
import { jobTopics } from "../examples/job/exports.ts";
import { aiChatTopic, mayUse } from "./ai-chat.ts";
import { answerTopic } from "./answers.ts";
import { readings, type Reading } from "./clock.ts";
import { Feed } from "./feed.ts";
import { samples, type Sample } from "./machine.ts";
import { ticks, type Tick } from "./ticks.ts";

const DAY_MS = 86_400_000;

const topics: ReadonlyMap<string, TopicOptions> = new Map([
  ["machine", { log: { maxAgeMs: 60_000 } }],
  // The newest reading, for clients that subscribe within its second.
  ["clock", { log: { maxEntries: 1, maxAgeMs: 1000 } }],
  ["chat", { log: { maxEntries: 200 } }],
  // Three seconds of them: a page that is away for longer gets a gap.
  ["ticks", { log: { maxEntries: 6 } }],
]);

/** The demo's one hub, and the feeds that publish to it. */
export interface DemoHub {
  readonly hub: Hub;
  /** Drains all streams over `drainMs`, then ends the feeds. A stalled stream may take 5 s more. */
  close(drainMs: number): Promise<void>;
}

/** Options of the demo. */
export interface DemoOptions {
  /** What keeps the topics while the demo restarts. @default memory */
  readonly broker?: Broker;
  /** The period of the readings of this machine, in milliseconds. @default 500 */
  readonly samplePeriodMs?: number;
}

export function createHub({ broker, samplePeriodMs = 500 }: DemoOptions = {}): DemoHub {
  const hub = new Hub({
    ...(broker === undefined ? {} : { broker }),
    topics: (name) => topics.get(name) ?? (jobTopics(name) || answerTopic(name) || aiChatTopic(name)),
    authorize: (_request, names, user) => names.every((name) => mayUse(name, user)),
    // Also the retention of a topic without subscribers: a client that returns within a day learns which messages it missed.
    log: { maxAgeMs: DAY_MS },
    // Pages consider a connection dead after twice this silence. The demo can afford a short interval.
    heartbeatMs: 2000,
    onOpen: (subscription) => {
      for (const name of subscription.topics) feeds.get(name)?.join();
    },
    onClose: (subscription) => {
      for (const name of subscription.topics) feeds.get(name)?.leave();
    },
  });
  const feeds = new Map<string, Pick<Feed<unknown>, "join" | "leave" | "stop">>([
    ["machine", new Feed(hub.topic<Sample>("machine"), samples(samplePeriodMs))],
    ["clock", new Feed(hub.topic<Reading>("clock"), readings)],
    ["ticks", new Feed(hub.topic<Tick>("ticks"), ticks)],
  ]);
  const close = async (drainMs: number): Promise<void> => {
    await hub.close({ drainMs });
    for (const feed of feeds.values()) feed.stop();
  };
  return { hub, close };
}
