import { now } from "../../core/clock.ts";
import { Queue } from "../../core/queue.ts";
import { added, membersOf, removed, type SmallSet } from "../../core/small-set.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import { readBatch, type Batch, type BatchSource } from "./batch.ts";
import { Cursors, placeOf } from "./cursors.ts";
import type { FlushBatch } from "./flush-batch.ts";
import { MemberList, type Member } from "./member.ts";
import { readShort } from "./short-batch.ts";
import type { Follower } from "../flusher.ts";
import type { Packing, Stretch } from "../packing/packing.ts";

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
  /** Whether a topic had ended when the last pass began, so that the pass may have sent members all of their topics. */
  passHasEnd = false;
  /** The members' place once the pass under way is over. */
  #cursors: Cursors;
  /** The place of members that the pass under way has not reached. The two objects change their roles with each pass. */
  #cursorsBeforePass: Cursors;
  #passNumber = 0;
  /** The pass under way: the bytes that it writes to all members, or "serve" if it serves each on its own. */
  #pass: Uint8Array | "serve" | undefined;
  #passMessages = 0;
  readonly #batch: FlushBatch;
  /** Whether the pass under way is being added to the batch. The members that it does not take follow one by one. */
  #isCollecting = false;
  #isAnyLeftOut = false;
  /** The number of the batch to which members were added last. */
  #batchNumber = -1;
  #heartbeatDue = false;
  #isFlushing = false;
  /** The writes of the flush under way. */
  #writes = 0;
  readonly #heartbeat: Uint8Array;
  readonly #members = new MemberList();
  /** Connections to serve: their sinks have drained, or they have received messages which the members have not. */
  readonly #waiting = new Queue<Member>();
  /** The connections that were members and have fallen behind. */
  #behind: SmallSet<Member>;

  constructor(key: string, format: Format, logs: readonly Log[], batch: FlushBatch, packing?: Packing) {
    this.#batch = batch;
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
    if (this.#members.first === undefined) this.#moveToHeads();
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
    if (this.#members.first === undefined) return log.head;
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
    this.#members.add(connection);
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
    this.#members.remove(member);
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
    this.#writes = 0;
    try {
      return this.#runPasses(deadline);
    } finally {
      this.#isFlushing = false;
    }
  }

  flushNow(): void {
    this.flush(Infinity);
    this.#batch.send();
  }

  #runPasses(deadline: number): boolean {
    while (this.#pass !== undefined || this.#beginPass()) {
      if (this.#isCollecting && !this.#collect(this.#pass as Uint8Array, deadline)) return false;
      if (!this.#writeOneByOne(deadline)) return false;
      this.#pass = undefined;
      this.packing?.endPass();
      if (!this.#serveWaiting(deadline)) return false;
    }
    return this.#serveWaiting(deadline);
  }

  /** Adds the pass under way to the batch for each member that it takes, and sends full batches, until `deadline`. */
  #collect(bytes: Uint8Array, deadline: number): boolean {
    const members = this.#members;
    while (members.next !== undefined) {
      if (!this.#batch.hasRoom(bytes)) {
        // Hooks of the application run, and members may leave.
        this.#batch.send();
        if (now() > deadline) return false;
        continue;
      }
      const member = members.next;
      members.next = member.next;
      if (member.lastPass === this.#passNumber) continue;
      if (member.addTo(this.#batch, bytes, this.#passMessages)) {
        member.lastPass = this.#passNumber;
        this.#batchNumber = this.#batch.number;
      } else this.#isAnyLeftOut = true;
      if (this.#isOver(1, deadline)) return false;
    }
    this.#isCollecting = false;
    if (this.#isAnyLeftOut) members.next = members.first;
    return true;
  }

  /** Writes the pass under way to each member that it has not reached, until `deadline`. */
  #writeOneByOne(deadline: number): boolean {
    const members = this.#members;
    if (members.next !== undefined) this.#batch.send();
    while (members.next !== undefined) {
      const member: Member = members.next;
      members.next = member.next;
      if (member.lastPass === this.#passNumber) continue;
      const isServed = this.#pass === "serve";
      if (isServed) {
        member.fallBehind();
        member.serve();
      } else {
        member.lastPass = this.#passNumber;
        member.deliver(this.#pass as Uint8Array, this.#passMessages);
      }
      // Serving one takes several writes.
      if (this.#isOver(isServed ? WRITES_PER_CLOCK_CHECK : 1, deadline)) return false;
    }
    return true;
  }

  /** Counts writes, and checks the clock now and then. */
  #isOver(writes: number, deadline: number): boolean {
    this.#writes += writes;
    if (this.#writes < WRITES_PER_CLOCK_CHECK) return false;
    this.#writes = 0;
    return now() > deadline;
  }

  /** Starts the next pass, if there is anything to send. */
  #beginPass(): boolean {
    if (this.#members.first === undefined) {
      this.#moveToHeads();
      this.#heartbeatDue = false;
      return false;
    }
    const isPassed = this.logs.some((log, i) => (this.#cursors.indexes[i] as number) < log.floor);
    if (!isPassed && !this.#heartbeatDue && !this.#hasMore) return false;
    if (this.#batchNumber === this.#batch.number) {
      // The members' places are known only once they have been told of the last pass.
      this.#batch.send();
      return this.#beginPass();
    }
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
      this.#heartbeatDue = false;
      this.packing?.beginPass(this.#pass, batch && this.#missedStretch(batch));
    }
    this.#passNumber += 1;
    this.passHasEnd = this.hasEnded;
    this.#members.next = this.#members.first;
    this.#isCollecting = this.#pass !== "serve" && this.#batch.isWorth(this.connections);
    this.#isAnyLeftOut = false;
    this.lastPassAt = now();
    return true;
  }

  /** Whether a log has messages that the members have not been sent. */
  get #hasMore(): boolean {
    return this.logs.some(({ head }, i) => head > (this.#cursors.indexes[i] as number));
  }

  #readPass(): Batch | undefined {
    const [log] = this.logs;
    const memory = this.packing?.context;
    const short = this.logs.length === 1 ? readShort(this.format, log as Log, this.#cursors, memory) : undefined;
    return short ?? this.read(this.#cursors, this.heads);
  }

  /** The stretch of the pass that begins, if connections have fallen behind and will miss it. */
  #missedStretch({ end: text }: Batch): Stretch | undefined {
    if (this.#behind === undefined) return undefined;
    return { from: placeOf(this.#cursorsBeforePass), end: this.#cursors.copy().indexes, text };
  }

  #moveToHeads(): void {
    this.#cursors = Cursors.at(this.logs, this.heads);
  }

  /** Serves those who wait, until `deadline`. Returns whether each has had its turn. */
  #serveWaiting(deadline: number): boolean {
    // A connection that waits again meanwhile is served in the next flush.
    if (this.#waiting.size > 0) this.#batch.send();
    for (let left = this.#waiting.size; left > 0; left -= 1) {
      const connection = this.#waiting.shift();
      connection.isWaiting = false;
      connection.serve();
      if (left > 1 && now() > deadline) return false;
    }
    return true;
  }
}
