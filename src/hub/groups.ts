import type { Format } from "../wire/format.ts";
import { now } from "../core/clock.ts";
import { Group } from "./group.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { Topics } from "./topics.ts";

/** The groups of a hub, each for as long as it has connections. */
export class Groups implements Iterable<Group> {
  readonly #topics: Topics;
  readonly #byKey = new Map<string, Group>();

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  [Symbol.iterator](): Iterator<Group> {
    return this.#byKey.values();
  }

  /** The group of those who are sent these topics in this format. */
  of(format: Format, topics: readonly LiveTopic[]): Group {
    const key = JSON.stringify([format.key, ...topics.map(({ log }) => log.topic)]);
    let group = this.#byKey.get(key);
    if (group === undefined) {
      group = new Group(key, format, topics);
      this.#byKey.set(key, group);
      for (const topic of topics) {
        topic.groups.add(group);
        this.#topics.sort(topic);
      }
    }
    return group;
  }

  /** Lets go of a group that has no connections any more. */
  leave(group: Group): void {
    if (group.followers > 0) return;
    this.#byKey.delete(group.key);
    for (const topic of group.topics) {
      topic.groups.delete(group);
      topic.touchedAt = now();
      this.#topics.sort(topic);
    }
  }
}
