import type { Format } from "../../wire/format.ts";
import type { FlushBatch } from "./flush-batch.ts";
import { Group } from "./group.ts";
import { Packing } from "../packing/packing.ts";
import type { PackingContext } from "../packing/packing-context.ts";
import type { LiveTopic } from "../topics/live-topic.ts";

/**
 * The groups of a hub: one for each format and list of topics that connections follow, compressed or plain. A group
 * exists for as long as it has connections.
 *
 * The key decides who is sent the same bytes. Whatever changes a connection's bytes, such as a nonce, must be part of
 * `Format.key`, or one client is sent another's stream.
 */
export class Groups implements Iterable<Group> {
  /** The groups that new connections join. */
  readonly #byKey = new Map<string, Group>();
  /** The topics of each group. A topic that was deleted has groups until their connections are over. */
  readonly #topics = new Map<Group, readonly LiveTopic[]>();
  readonly #batch: FlushBatch;

  constructor(batch: FlushBatch) {
    this.#batch = batch;
  }

  [Symbol.iterator](): Iterator<Group> {
    return this.#topics.keys();
  }

  /**
   * Returns the group of the connections that are sent these topics in this format. Creates it if needed.
   *
   * @param packing Where its connections are compressed.
   */
  join(format: Format, topics: readonly LiveTopic[], packing?: PackingContext): Group {
    // No name and no key of a format contains this character.
    const key = [packing === undefined ? "" : "gzip", format.key, ...topics.map(({ name }) => name)].join("\0");
    const known = this.#byKey.get(key);
    // A topic of the same name may have taken the place of one that was deleted.
    if (known?.logs.every((log, i) => log === topics[i]?.log) === true) return known;
    const logs = topics.map(({ log }) => log);
    const group = new Group(key, format, logs, this.#batch, packing && new Packing(packing));
    this.#byKey.set(key, group);
    this.#topics.set(group, topics);
    for (const topic of topics) topic.addGroup(group);
    return group;
  }

  /** Removes the group, if it has no more connections. */
  leave(group: Group): void {
    const topics = this.#topics.get(group);
    if (group.connections > 0 || topics === undefined) return;
    this.#topics.delete(group);
    if (this.#byKey.get(group.key) === group) this.#byKey.delete(group.key);
    for (const topic of topics) topic.removeGroup(group);
    group.packing?.drop();
  }
}
