import { ClientPosition } from "../client-position.ts";
import type { ReceivedItem } from "../client-wire.ts";

/**
 * The topics of the connections that tabs share that end, and the items of those that have ended or are missing.
 *
 * A topic ends for each tab on its own, while the connection goes on for the others. So a tab that joins later needs
 * the item again, but not before the connection has delivered all messages of the topic once more.
 */
export class FiniteTopics {
  readonly #names = new Set<string>();
  /** The item of each topic that has ended or is missing, and the position in it at that moment. */
  readonly #over = new Map<string, { readonly item: ReceivedItem; readonly at: string | undefined }>();

  has(topic: string): boolean {
    return this.#names.has(topic);
  }

  /** Notes that a topic ends. */
  add(topic: string): void {
    this.#names.add(topic);
  }

  /** Keeps the item of a topic that is over. `position` is the whole position of its connection. */
  leave(topic: string, item: ReceivedItem, position: string): void {
    this.#names.add(topic);
    this.#over.set(topic, { item, at: partOf(position, topic) });
  }

  /** The items of the topics that are over at a whole position. */
  itemsAt(position: string): ReceivedItem[] {
    return [...this.#over].filter(([topic, { at }]) => partOf(position, topic) === at).map(([, { item }]) => item);
  }

  /** Forgets the missing topics: a new connection reports them anew. */
  forgetMissing(): void {
    for (const [topic, { item }] of this.#over) if (item.missing) this.#over.delete(topic);
  }
}

/** The position in one topic. */
function partOf(position: string, topic: string): string | undefined {
  return new ClientPosition(position).get(encodeURIComponent(topic));
}
