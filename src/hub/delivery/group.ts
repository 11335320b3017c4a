import { now } from "../../core/clock.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import { readBatch, type Cursors } from "./batch.ts";
import type { Flushable } from "../flusher.ts";

/** A connection, as its group sees it. */
export interface Member {
  /**
   * The links of the group's list, and the number of the last pass that reached this member. Only the group changes
   * them.
   */
  previous: Member | undefined;
  next: Member | undefined;
  lastPass: number;
  /** Writes one pass to this member. */
  deliver(bytes: Uint8Array, messages: number): void;
  /** Leaves the members and keeps cursors of its own from now on. */
  fallBehind(): void;
  /** Sends the backlog up to the group's cursors, and then joins the members. */
  serve(): void;
}

/** The number of writes after which a pass checks the clock. */
const WRITES_PER_CLOCK_CHECK = 16;

/**
 * The connections that are sent the same bytes: one wire, one list of topics.
 *
 * Caught-up connections are its *members* and share its cursors. New messages go to them in *passes*: a pass reads one
 * piece of memory and writes it to every member. Connections that lag have cursors of their own, and become members
 * when they have caught up.
 *
 * Invariants: a pass reaches each member exactly once, even if the slice ends in its middle and members join or leave
 * meanwhile; a member's `lastPass` says whether its place is `#cursors` or `#cursorsBeforePass`. A pass costs each
 * member one write and one check of its result.
 */
export class Group implements Flushable {
  readonly key: string;
  readonly format: Format;
  readonly logs: readonly Log[];
  /** The time of the last pass, by the hub's clock. */
  lastPassAt: number = now();
  /** Whether the group is queued in the flusher. */
  isQueued = false;
  /** The number of its connections, members and others. */
  connections = 0;
  /** The members' place once the pass under way is over. */
  #cursors: Cursors;
  /** The place of members that the pass under way has not reached. */
  #cursorsBeforePass: Cursors;
  #passNumber = 0;
  #passBytes: Uint8Array | undefined;
  #passMessages = 0;
  #heartbeatDue = false;
  #isFlushing = false;
  readonly #heartbeat: Uint8Array;
  /** The members are a linked list, so that one can leave in the middle of a pass. */
  #first: Member | undefined;
  #last: Member | undefined;
  /** The member that the pass under way reaches next. */
  #nextMember: Member | undefined;
  /** Connections that have received messages which the members have not. */
  #waitingToJoin: Member[] = [];

  constructor(key: string, format: Format, logs: readonly Log[]) {
    this.key = key;
    this.format = format;
    this.logs = logs;
    this.#heartbeat = utf8(format.heartbeat);
    this.#cursorsBeforePass = this.#cursors = this.#heads();
  }

  /** The start of a connection that wants only new messages, and the end of a lagging connection's backlog. */
  get cursors(): Readonly<Cursors> {
    if (this.#first === undefined) this.#cursors = this.#heads();
    return this.#cursors;
  }

  /** Returns a member's place. */
  cursorsOf(member: Member): Readonly<Cursors> {
    return member.lastPass === this.#passNumber ? this.#cursors : this.#cursorsBeforePass;
  }

  /** Makes a caught-up connection a member. */
  join(connection: Member): void {
    connection.lastPass = this.#passNumber;
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
    if (this.#nextMember === member) this.#nextMember = next;
    member.previous = member.next = undefined;
  }

  /** Lets a connection that is ahead of the members wait for the end of the pass. */
  joinAfterPass(connection: Member): void {
    this.#waitingToJoin.push(connection);
  }

  /** Requests a heartbeat with the next pass. */
  requestHeartbeat(): void {
    this.#heartbeatDue = true;
  }

  /**
   * Sends everything new in passes, until there is nothing more or `deadline` has passed, by the hub's clock.
   *
   * A call from within itself does nothing, as when an application publishes while a subscriber ends: the flush under
   * way sends that too.
   *
   * @returns Whether everything is sent.
   */
  flush(deadline: number): boolean {
    if (this.#isFlushing) return false;
    this.#isFlushing = true;
    try {
      return this.#runPasses(deadline);
    } finally {
      this.#isFlushing = false;
    }
  }

  #runPasses(deadline: number): boolean {
    let writes = 0;
    while (this.#passBytes !== undefined || this.#beginPass()) {
      while (this.#nextMember !== undefined) {
        const member: Member = this.#nextMember;
        this.#nextMember = member.next;
        if (member.lastPass === this.#passNumber) continue;
        member.lastPass = this.#passNumber;
        member.deliver(this.#passBytes as Uint8Array, this.#passMessages);
        writes += 1;
        if (writes % WRITES_PER_CLOCK_CHECK === 0 && now() > deadline) return false;
      }
      this.#passBytes = undefined;
      this.#serveWaiting();
    }
    return true;
  }

  /** Starts the next pass, if there is anything to send. */
  #beginPass(): boolean {
    if (this.#first === undefined) {
      this.#cursors = this.#heads();
      this.#heartbeatDue = false;
      this.#serveWaiting();
      return false;
    }
    if (this.logs.some((log, i) => (this.#cursors[i] as number) < log.floor)) this.#serveEachMember();
    this.#cursorsBeforePass = this.#cursors.slice();
    const batch = readBatch(this.format, this.logs, this.#cursors, this.#heads());
    if (batch === undefined && !this.#heartbeatDue) return false;
    this.#passBytes = batch?.bytes ?? this.#heartbeat;
    this.#passMessages = batch?.messages ?? 0;
    this.#heartbeatDue = false;
    this.#passNumber += 1;
    this.#nextMember = this.#first;
    this.lastPassAt = now();
    return true;
  }

  /** Serves each member on its own, because a log has passed them all before a pass could reach them. */
  #serveEachMember(): void {
    const members: Member[] = [];
    for (let member = this.#first; member !== undefined; member = member.next) members.push(member);
    for (const member of members) member.fallBehind();
    this.#cursors = this.#heads();
    for (const member of members) member.serve();
    this.#serveWaiting();
  }

  #serveWaiting(): void {
    for (const connection of this.#waitingToJoin.splice(0)) connection.serve();
  }

  #heads(): Cursors {
    return this.logs.map((log) => log.head);
  }
}
