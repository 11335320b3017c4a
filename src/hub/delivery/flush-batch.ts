import type { Flusher } from "../flusher.ts";
import { batchSender, type BatchSender } from "./batch-sender.ts";

/** A member of a group, as a batch sees it. */
export interface Recipient {
  /** Notes that a batch has sent one pass to this member. */
  delivered(length: number, messages: number, wantsMore: boolean): void;
}

/** A member that was added, and the pass that it is sent. */
interface Added {
  readonly member: Recipient;
  readonly length: number;
  readonly messages: number;
}

/**
 * Collects the passes of one flush, of all groups of a hub, for the thread's batch sender.
 *
 * Invariant: no code of the application runs from the first `add` to `send`, so that a file descriptor still belongs to
 * the same client. So a group must call `send` before it writes to a member on its own or serves one, and the flusher
 * calls it at the end of each slice. `send` then tells the members, whose hooks may run.
 */
export class FlushBatch {
  /** The number of batches that were sent. Members that were added in the batch under way have not been told. */
  number = 0;
  readonly #flusher: Flusher;
  #sender: BatchSender | undefined;
  #added: Added[] = [];

  constructor(flusher: Flusher) {
    this.#flusher = flusher;
    flusher.afterGroups(() => this.send());
  }

  /** Returns whether a pass to so many connections, with the groups that are queued, is worth a batch. */
  isWorth(connections: number): boolean {
    const sender = batchSender();
    return sender !== undefined && this.#added.length + connections + this.#flusher.groups >= sender.minSinks;
  }

  /** Returns whether one more pass with these bytes can be added. If not, the caller must call `send` first. */
  hasRoom(bytes: Uint8Array): boolean {
    return this.#added.length === 0 || this.#sender?.hasRoom(bytes) === true;
  }

  /** Returns whether a sink can be sent so many bytes by the batch. If so, the caller must add it at once. */
  accepts(batchKey: object, length: number): boolean {
    // The application may have changed the sender since the last batch.
    if (this.#added.length === 0) this.#sender = batchSender();
    return this.#sender?.accepts(batchKey, length) === true;
  }

  /**
   * Adds the sink that was accepted.
   *
   * @param sent The bytes that the sink is sent: those of the pass, perhaps compressed.
   * @param length The number of bytes of the pass.
   */
  add(member: Recipient, sent: Uint8Array, length: number, messages: number): void {
    this.#sender?.add(sent);
    this.#added.push({ member, length, messages });
  }

  /** Sends all that were added, and tells each member. Hooks of the application may run, and members may leave. */
  send(): void {
    const added = this.#added;
    if (added.length === 0) return;
    this.#added = [];
    this.number += 1;
    const wantMore = this.#sender?.send() ?? [];
    added.forEach(({ member, length, messages }, i) => member.delivered(length, messages, wantMore[i] === true));
  }
}
