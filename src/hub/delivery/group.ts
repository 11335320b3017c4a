import { now } from "../../core/clock.ts";
import { Queue } from "../../core/queue.ts";
import { added, membersOf, removed, type SmallSet } from "../../core/small-set.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import { batchSender, type BatchSender } from "./batch-sender.ts";
import { readBatch, type Batch, type BatchSource } from "./batch.ts";
import { Cursors, placeOf } from "./cursors.ts";
import { readShort } from "./short-batch.ts";
import type { Follower } from "../flusher.ts";
import type { Packing } from "../packing/packing.ts";

/** A connection, as its group sees it. */
export interface Member {
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
  /** Adds its sink to a batch. Returns whether it was added. */
  addTo(sender: BatchSender): boolean;
  /** Notes that a batch has sent one pass to this member. */
  delivered(length: number, messages: number, wantsMore: boolean): void;
  /** Leaves the members and keeps cursors of its own from now on. */
  fallBehind(): void;
  /** Sends the backlog up to the group's cursors, and then joins the members. */
  serve(): void;
  /** The time since which it takes nothing; Infinity while it takes bytes. */
  readonly stalledSince: number;
  /** Its place while it is not a member. */
  readonly cursors: Cursors | undefined;
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
export class Group implements Follower, BatchSource {
  readonly key: string;
  readonly format: Format;
  readonly logs: readonly Log[];
  /** The compression of its passes, if its connections are compressed. */
  readonly packing: Packing | undefined;
  /** The time of the last pass, by the hub's clock. */
  lastPassAt: number = now();
  /** Whether the group is queued in the flusher. */
  isQueued = false;
  /** The number of its connections, members and others. */
  connections = 0;
  /** The members' place once the pass under way is over. */
  #cursors: Cursors;
  /** The place of members that the pass under way has not reached. The two objects change their roles with each pass. */
  #cursorsBeforePass: Cursors;
  #passNumber = 0;
  /** The pass under way: the bytes that it writes to all members, or "serve" if it serves each on its own. */
  #pass: Uint8Array | "serve" | undefined;
  #passMessages = 0;
  /** The sender of the pass under way, until each member that a batch takes has been sent it. */
  #sender: BatchSender | undefined;
  #heartbeatDue = false;
  #isFlushing = false;
  readonly #heartbeat: Uint8Array;
  /** The members are a linked list, so that one can leave in the middle of a pass. */
  #first: Member | undefined;
  #last: Member | undefined;
  /** The member that the pass under way reaches next. */
  #nextMember: Member | undefined;
  /** Connections to serve: their sinks have drained, or they have received messages which the members have not. */
  readonly #waiting = new Queue<Member>();
  /** The connections that were members and have fallen behind. */
  #behind: SmallSet<Member>;

  constructor(key: string, format: Format, logs: readonly Log[], packing?: Packing) {
    this.key = key;
    this.format = format;
    this.logs = logs;
    this.packing = packing;
    this.#heartbeat = utf8(format.heartbeat);
    this.#cursors = Cursors.at(logs, this.heads);
    this.#cursorsBeforePass = this.#cursors.copy();
  }

  /** The end of a lagging connection's backlog. */
  get cursors(): readonly number[] {
    if (this.#first === undefined) this.#moveToHeads();
    return this.#cursors.indexes;
  }

  /**
   * The start of a connection that wants only new messages: the members' place, unless the log has passed them. The end
   * of a topic is always new.
   */
  get newest(): readonly number[] {
    const { cursors, logs } = this;
    return logs.map(({ floor, lastMessage }, i) => {
      const cursor = cursors[i] as number;
      return cursor < floor ? lastMessage : Math.min(cursor, lastMessage);
    });
  }

  /** Whether one of its topics has ended. */
  get hasEnded(): boolean {
    return this.logs.some(({ ended }) => ended !== undefined);
  }

  /** The end of each log. */
  get heads(): readonly number[] {
    return this.logs.map((log) => log.head);
  }

  read(cursors: Cursors, limits: readonly number[]): Batch | undefined {
    return readBatch(this.format, this.logs, cursors, limits);
  }

  sent(log: Log): number {
    if (this.#first === undefined) return log.head;
    return (this.#pass === undefined ? this.#cursors : this.#cursorsBeforePass).indexes[
      this.logs.indexOf(log)
    ] as number;
  }

  reached(log: Log, since: number): number {
    const i = this.logs.indexOf(log);
    let reached = Infinity;
    for (const { stalledSince, cursors } of membersOf(this.#behind)) {
      if (stalledSince > since && cursors !== undefined) reached = Math.min(reached, cursors.indexes[i] as number);
    }
    return reached;
  }

  /** Returns a member's place. The caller copies it to keep it. */
  cursorsOf(member: Member): Cursors {
    return member.lastPass === this.#passNumber ? this.#cursors : this.#cursorsBeforePass;
  }

  /** Makes a caught-up connection a member. */
  join(connection: Member): void {
    this.#behind = removed(this.#behind, connection);
    connection.lastPass = this.#passNumber;
    connection.previous = this.#last;
    connection.next = undefined;
    if (this.#last === undefined) this.#first = connection;
    else this.#last.next = connection;
    this.#last = connection;
  }

  /** Lets a member go that has fallen behind, until it joins again or is removed. */
  leaveBehind(member: Member): void {
    this.leave(member);
    this.#behind = added(this.#behind, member);
  }

  /** Removes a connection that is over and was no member. */
  remove(connection: Member): void {
    this.#behind = removed(this.#behind, connection);
  }

  /** Removes a member. */
  leave(member: Member): void {
    const { previous, next } = member;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    if (this.#nextMember === member) this.#nextMember = next;
    member.previous = member.next = undefined;
  }

  /** Serves a connection that is no member in the next flush, or after the pass under way. */
  serveLater(connection: Member): void {
    if (connection.isWaiting) return;
    connection.isWaiting = true;
    this.#waiting.push(connection);
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
    while (this.#pass !== undefined || this.#beginPass()) {
      if (this.#sender !== undefined && !this.#sendBatches(this.#sender, deadline)) return false;
      while (this.#nextMember !== undefined) {
        const member: Member = this.#nextMember;
        this.#nextMember = member.next;
        if (member.lastPass === this.#passNumber) continue;
        if (this.#pass === "serve") {
          member.fallBehind();
          member.serve();
          // Serving one takes several writes.
          writes += WRITES_PER_CLOCK_CHECK - 1;
        } else {
          member.lastPass = this.#passNumber;
          member.deliver(this.#pass as Uint8Array, this.#passMessages);
        }
        writes += 1;
        if (writes % WRITES_PER_CLOCK_CHECK === 0 && now() > deadline) return false;
      }
      this.#pass = undefined;
      if (!this.#serveWaiting(deadline)) return false;
    }
    return this.#serveWaiting(deadline);
  }

  /** Sends the pass under way in batches, until `deadline`. The members that no batch takes follow one by one. */
  #sendBatches(sender: BatchSender, deadline: number): boolean {
    const bytes = this.#pass as Uint8Array;
    const capacity = sender.capacity(this.connections, bytes.length);
    while (capacity > 0 && this.#nextMember !== undefined) {
      const members: Member[] = [];
      let member: Member | undefined = this.#nextMember;
      for (; member !== undefined && members.length < capacity; member = member.next) {
        if (member.lastPass === this.#passNumber || !member.addTo(sender)) continue;
        member.lastPass = this.#passNumber;
        members.push(member);
      }
      this.#nextMember = member;
      if (members.length === 0) break;
      const wantMore = sender.send(bytes);
      // From here on hooks of the application may run, and members may leave.
      members.forEach((one, i) => one.delivered(bytes.length, this.#passMessages, wantMore[i] === true));
      if (now() > deadline) return false;
    }
    this.#nextMember = this.#first;
    this.#sender = undefined;
    return true;
  }

  /** Starts the next pass, if there is anything to send. */
  #beginPass(): boolean {
    if (this.#first === undefined) {
      this.#moveToHeads();
      this.#heartbeatDue = false;
      return false;
    }
    const isPassed = this.logs.some((log, i) => (this.#cursors.indexes[i] as number) < log.floor);
    if (!isPassed && !this.#heartbeatDue && !this.#hasMore) return false;
    [this.#cursors, this.#cursorsBeforePass] = [this.#cursorsBeforePass, this.#cursors];
    this.#cursors.moveTo(this.#cursorsBeforePass);
    if (isPassed) {
      // A log has passed the members before a pass could reach them: each gets what its policies say.
      this.#moveToHeads();
      this.#pass = "serve";
    } else {
      const batch = this.#hasMore ? this.#readPass() : undefined;
      this.#pass = batch?.bytes ?? this.#heartbeat;
      this.#passMessages = batch?.messages ?? 0;
      // Compressed members are not all sent the same bytes.
      this.#sender = this.packing === undefined ? batchSender() : undefined;
      this.#heartbeatDue = false;
      this.packing?.beginPass(this.#pass, batch && this.#missedStretch);
    }
    this.#passNumber += 1;
    this.#nextMember = this.#first;
    this.lastPassAt = now();
    return true;
  }

  /** Whether a log has messages that the members have not been sent. */
  get #hasMore(): boolean {
    return this.logs.some(({ head }, i) => head > (this.#cursors.indexes[i] as number));
  }

  #readPass(): Batch | undefined {
    const [log] = this.logs;
    const short =
      this.logs.length === 1 ? readShort(this.format, log as Log, this.#cursors, this.packing?.allocate) : undefined;
    return short ?? this.read(this.#cursors, this.heads);
  }

  /** The stretch of the pass that begins, if connections have fallen behind and will miss it. */
  get #missedStretch(): { readonly from: string; readonly end: readonly number[] } | undefined {
    if (this.#behind === undefined) return undefined;
    return { from: placeOf(this.#cursorsBeforePass), end: this.#cursors.copy().indexes };
  }

  #moveToHeads(): void {
    this.#cursors = Cursors.at(this.logs, this.heads);
  }

  /** Serves those who wait, until `deadline`. Returns whether each has had its turn. */
  #serveWaiting(deadline: number): boolean {
    // A connection that waits again meanwhile is served in the next flush.
    for (let left = this.#waiting.size; left > 0; left -= 1) {
      const connection = this.#waiting.shift();
      connection.isWaiting = false;
      connection.serve();
      if (left > 1 && now() > deadline) return false;
    }
    return true;
  }
}
