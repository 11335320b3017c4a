/** What must compile, and, below each `@ts-expect-error`, what must not. Checked by `npm run types`; never run. */
import { Hub, type Topic, type TopicMessage } from "../../src/index.ts";
import type { Enumerator, JsonValue } from "../../src/index.ts";

interface Story {
  readonly title: string;
}

declare function isKnown(cookie: string | null): Promise<boolean>;

const hub = new Hub({
  topics: (name) => name === "a" && { overflow: "skip" },
  authorize: async ({ headers }) => ((await isKnown(headers.get("cookie"))) ? true : 401),
});

export const accepted: [Topic<string>, Topic<Story>, Topic<JsonValue>, Topic<Date, string>] = [
  hub.topic<string>("a"),
  hub.topic<Story>("a"),
  hub.topic("a"),
  hub.topic("a", { encoder: (date: Date) => date.toISOString() }),
];
export const messages: Enumerator<TopicMessage<Story>> = hub.topic<Story>("a").messages({ from: "oldest" });
export const sent: Enumerator<TopicMessage<string>> = hub
  .topic("a", { encoder: (date: Date) => date.toISOString() })
  .messages();
export const published: Promise<string> = hub.topic<Story>("a").publish({ title: "x" }, { event: "e" });

// @ts-expect-error another type of message
void hub.topic<Story>("a").publish({ name: "x" });
// @ts-expect-error neither a string nor JSON
hub.topic<Date>("a");
// @ts-expect-error an encoder gives JSON
hub.topic("a", { encoder: (date: Date) => date });
// @ts-expect-error no such policy
new Hub({ overflow: "never" });
// @ts-expect-error no such status
new Hub({ authorize: () => 500 });
