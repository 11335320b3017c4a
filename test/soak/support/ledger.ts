import type { WireMessage } from "../../../src/wire/item.ts";
import { TopicLedger, type Truth } from "./topic-ledger.ts";
import { TopicsLedger } from "./topics-ledger.ts";

/** What soaks publish: the topic, a number that runs on within it from 1 over all epochs, and what fills the message up. */
export interface Numbered {
  readonly t: string;
  readonly n: number;
  readonly k?: string;
  readonly fill: string;
}

/**
 * What one client has had of its topics, checked item by item. It throws as soon as the stream is not what PROTOCOL.md says: a
 * message lost without a gap, had twice, out of order; a gap that does not cost what it says.
 */
export class Ledger extends TopicsLedger<TopicLedger> {
  /** @param latest Whether stale messages may be left out in the middle, as the policy `latest` does. */
  constructor(topics: readonly string[], truth: Truth, latest = false) {
    super(new Map(topics.map((topic) => [topic, new TopicLedger(topic, truth, latest)])));
  }

  message({ id, key, data }: WireMessage): void {
    const message = data as unknown as Numbered;
    this.note("message", id, message.n);
    if (key !== undefined && key !== message.k) throw new Error(`A message came with the key ${key}.`);
    this.of(message.t).message(this.placeIn(message.t, id), message);
  }
}
