import type { Format } from "../../wire/format.ts";
import { Group } from "./group.ts";
import type { LiveTopic } from "../topics/live-topic.ts";

/**
 * The groups of a hub: one for each format and list of topics that connections follow. A group exists for as long as it
 * has connections.
 *
 * The key decides who is sent the same bytes. Whatever changes a connection's bytes, such as a nonce, must be part of
 * `Format.key`, or one client is sent another's stream.
 */
export class Groups implements Iterable<Group> {
  readonly #byKey = new Map<string, { readonly group: Group; readonly topics: readonly LiveTopic[] }>();

  *[Symbol.iterator](): Iterator<Group> {
    for (const { group } of this.#byKey.values()) yield group;
  }

  /** Returns the group of the connections that are sent these topics in this format. Creates it if needed. */
  join(format: Format, topics: readonly LiveTopic[]): Group {
    // No name and no key of a format contains this character.
    const key = [format.key, ...topics.map(({ name }) => name)].join("\0");
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.group;
    const logs = topics.map(({ log }) => log);
    const group = new Group(key, format, logs);
    this.#byKey.set(key, { group, topics });
    for (const topic of topics) topic.addGroup(group);
    return group;
  }

  /** Removes the group, if it has no more connections. */
  leave({ key, connections }: Group): void {
    const known = this.#byKey.get(key);
    if (connections > 0 || known === undefined) return;
    this.#byKey.delete(key);
    for (const topic of known.topics) topic.removeGroup(known.group);
  }
}
