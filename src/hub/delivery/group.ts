import { now } from "../../core/clock.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import { readBatch, type Cursors } from "./batch.ts";
import type { Flushable } from "../flusher.ts";

/** A connection, as far as its group knows it. */
export interface Member {
  /** The group's list, and the last pass that came to this one: the group's to change. */
  previous: Member | undefined;
  next: Member | undefined;
  pass: number;
  /** A pass has come to this member. */
  deliver(bytes: Uint8Array, messages: number): void;
  /** Is no member any more: from now on it has cursors of its own. */
  fallBehind(): void;
  /** Sends what is behind the group's cursors, and then joins the group. */
  serve(): void;
}

/** After how many writes a pass looks at the clock. */
const WRITES_BETWEEN_LOOKS = 16;

/**
 * The connections that are sent the same bytes: one wire, one list of topics. Those that have had everything are its
 * *members*, and share its cursors; what is published goes to them in *passes*, each of which writes one piece of memory to
 * every member. Those that are behind have cursors of their own, and become members again when they have caught up.
 */
export class Group implements Flushable {
  readonly key: string;
  readonly format: Format;
  readonly logs: readonly Log[];
  /** When the members were last sent something. */
  lastPassAt: number = now();
  /** Whether the group waits for the flusher. */
  isQueued = false;
  /** How many connections it has, members and others. */
  connections = 0;
  /** Where the members are once the pass under way is over. */
  #cursors: Cursors;
  /** Where those are that the pass under way has not come to. */
  #before: Cursors;
  #pass = 0;
  #bytes: Uint8Array | undefined;
  #messages = 0;
  #heartbeatDue = false;
  #flushing = false;
  readonly #heartbeat: Uint8Array;
  /** The members are a list, so that one can leave in the middle of a pass. */
  #first: Member | undefined;
  #last: Member | undefined;
  /** Whom the pass under way comes to next. */
  #next: Member | undefined;
  /** Connections that have had messages which the members have not been sent yet. */
  #ahead: Member[] = [];

  constructor(key: string, format: Format, logs: readonly Log[]) {
    this.key = key;
    this.format = format;
    this.logs = logs;
    this.#heartbeat = utf8(format.heartbeat);
    this.#before = this.#cursors = this.#heads();
  }

  /** Where a connection that wants what comes from now on begins, and how far one that is behind is served. */
  get cursors(): Readonly<Cursors> {
    if (this.#first === undefined) this.#cursors = this.#heads();
    return this.#cursors;
  }

  cursorsOf(member: Member): Readonly<Cursors> {
    return member.pass === this.#pass ? this.#cursors : this.#before;
  }

  /** Makes a connection that has had everything a member. */
  join(connection: Member): void {
    connection.pass = this.#pass;
    connection.previous = this.#last;
    connection.next = undefined;
    if (this.#last === undefined) this.#first = connection;
    else this.#last.next = connection;
    this.#last = connection;
  }

  leave(member: Member): void {
    const { previous, next } = member;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    if (this.#next === member) this.#next = next;
    member.previous = member.next = undefined;
  }

  /** Lets a connection that is ahead of the members wait until they have had the same. */
  joinLater(connection: Member): void {
    this.#ahead.push(connection);
  }

  /** Wants a heartbeat to be sent. */
  beat(): void {
    this.#heartbeatDue = true;
  }

  /**
   * Sends what there is to send, until there is nothing more or `deadline` has come.
   *
   * @returns Whether all is sent. Called from within itself, by an application that publishes as a subscriber leaves, it does
   *   nothing: what was published is sent by the flush under way.
   */
  flush(deadline: number): boolean {
    if (this.#flushing) return false;
    this.#flushing = true;
    try {
      return this.#flush(deadline);
    } finally {
      this.#flushing = false;
    }
  }

  #flush(deadline: number): boolean {
    let writes = 0;
    while (this.#bytes !== undefined || this.#begin()) {
      while (this.#next !== undefined) {
        const member: Member = this.#next;
        this.#next = member.next;
        if (member.pass === this.#pass) continue;
        member.pass = this.#pass;
        member.deliver(this.#bytes as Uint8Array, this.#messages);
        writes += 1;
        if (writes % WRITES_BETWEEN_LOOKS === 0 && now() > deadline) return false;
      }
      this.#bytes = undefined;
      this.#serveAhead();
    }
    return true;
  }

  /** Begins the next pass, if there is one to be made. */
  #begin(): boolean {
    if (this.#first === undefined) {
      this.#cursors = this.#heads();
      this.#heartbeatDue = false;
      this.#serveAhead();
      return false;
    }
    if (this.logs.some((log, i) => (this.#cursors[i] as number) < log.floor)) this.#scatter();
    this.#before = this.#cursors.slice();
    const batch = readBatch(this.format, this.logs, this.#cursors, this.#heads());
    if (batch === undefined && !this.#heartbeatDue) return false;
    this.#bytes = batch?.bytes ?? this.#heartbeat;
    this.#messages = batch?.messages ?? 0;
    this.#heartbeatDue = false;
    this.#pass += 1;
    this.#next = this.#first;
    this.lastPassAt = now();
    return true;
  }

  /** The log has passed all members before a pass could come to them: each is served on its own. */
  #scatter(): void {
    const members: Member[] = [];
    for (let member = this.#first; member !== undefined; member = member.next) members.push(member);
    for (const member of members) member.fallBehind();
    this.#cursors = this.#heads();
    for (const member of members) member.serve();
    this.#serveAhead();
  }

  #serveAhead(): void {
    for (const connection of this.#ahead.splice(0)) connection.serve();
  }

  #heads(): Cursors {
    return this.logs.map((log) => log.head);
  }
}
