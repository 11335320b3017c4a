import type { EntrySource } from "./get-entries.ts";
import { readLeaseRecord } from "./lease-record.ts";

/** The time for which a look is good, in milliseconds. */
const LOOK_MS = 5000;
/** Topics whose looks are remembered. */
const MAX_LOOKS = 8192;

/**
 * Topics that this process publishes to, and that do not end as far as it knows. Another process may know better: the end of a topic
 * leaves a record beside it, which is looked for once in each 5 s in which the topic is published to. The look is sent together with the
 * message, which does not wait for it.
 */
export class EndlessTopics {
  readonly #looks = new Map<string, number>();

  /** Sends the request for the record if a look is due. Resolves to whether there is one. */
  look(topic: string, source: Omit<EntrySource, "subject">, leaseSubject: string): Promise<boolean> | undefined {
    const now = performance.now();
    const last = this.#looks.get(topic);
    if (last !== undefined && now - last < LOOK_MS) return undefined;
    this.#looks.delete(topic);
    this.#looks.set(topic, now);
    if (this.#looks.size > MAX_LOOKS) this.#forgetOldest();
    return readLeaseRecord(source, leaseSubject).then(
      (record) => record !== undefined,
      () => {
        // The answer to the message shows the failure.
        this.#looks.delete(topic);
        return false;
      },
    );
  }

  #forgetOldest(): void {
    for (const oldest of this.#looks.keys()) {
      this.#looks.delete(oldest);
      return;
    }
  }
}
