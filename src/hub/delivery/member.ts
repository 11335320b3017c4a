import type { Cursors } from "./cursors.ts";
import type { FlushBatch, Recipient } from "./flush-batch.ts";

/** A connection, as its group sees it. */
export interface Member extends Recipient {
  /**
   * The links of the group's list, and the number of the last pass that reached this member. Only the group changes
   * them.
   */
  previous: Member | undefined;
  next: Member | undefined;
  lastPass: number;
  /** Whether it waits to be served. Only the group changes it. */
  isWaiting: boolean;
  /** Writes one pass to this member. */
  deliver(bytes: Uint8Array, messages: number): void;
  /** Adds one pass to a batch, if the batch takes its sink. Returns whether it was added. */
  addTo(batch: FlushBatch, bytes: Uint8Array, messages: number): boolean;
  /** Leaves the members and keeps cursors of its own from now on. */
  fallBehind(): void;
  /** Sends the backlog up to the group's cursors, and then joins the members. */
  serve(): void;
  /** The time since which it takes nothing; Infinity while it takes bytes. */
  readonly stalledSince: number;
  /** Its place while it is not a member. */
  readonly cursors: Cursors | undefined;
}

/** The members of a group: a linked list, so that one can leave in the middle of a pass. */
export class MemberList {
  first: Member | undefined;
  /** The member that the pass under way reaches next. */
  next: Member | undefined;
  #last: Member | undefined;

  add(member: Member): void {
    member.previous = this.#last;
    member.next = undefined;
    if (this.#last === undefined) this.first = member;
    else this.#last.next = member;
    this.#last = member;
  }

  remove(member: Member): void {
    const { previous, next } = member;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    if (this.next === member) this.next = next;
    member.previous = member.next = undefined;
  }
}
