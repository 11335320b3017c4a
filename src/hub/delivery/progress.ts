import type { Flusher } from "../flusher.ts";
import type { CloseReason } from "../subscription.ts";
import type { StreamClient } from "./stream-request.ts";
import type { Log } from "../../log/log.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { OverflowPolicy } from "../request-options.ts";
import { AwaitedTopics, type AwaitedTopic } from "./awaited-topics.ts";
import { Backlog } from "./backlog.ts";
import type { BatchSource } from "./batch.ts";
import { Cursors } from "./cursors.ts";
import type { Group } from "./group.ts";
import type { Member } from "./member.ts";
import { Output, type OutputLimits } from "./output.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { Sink } from "./sink.ts";

/** The dependencies that all connections of a hub share. */
export interface ConnectionContext<Connection> {
  readonly heartbeatMs: number;
  readonly counters: HubCounters;
  readonly flusher: Flusher;
  /** Called once when the connection is over. `returns`: the hub has asked the client to reconnect at once. */
  readonly onClosed: (connection: Connection, reason: CloseReason, returns: boolean) => void;
  /** Called once when its sink is released, which may be later. */
  readonly onReleased: (connection: Connection) => void;
}

/** The properties of a new connection. */
export interface ConnectionInit {
  readonly id: number;
  readonly client: StreamClient;
  readonly group: Group;
  /** The group, or the sink if that reads from it. */
  readonly source: BatchSource;
  /** The start of each topic of the group, and its policy. */
  readonly resumePoints: readonly ResumePoint[];
  readonly policies: readonly OverflowPolicy[];
  /** The topics that had not begun when it was opened. */
  readonly awaited: readonly AwaitedTopic[];
  /** The time at which the hub recycles it, by the hub's clock. */
  readonly recycleAt: number;
  readonly limits: OutputLimits;
}

/**
 * The progress of one connection in the logs of its topics, and what it lacks.
 *
 * It is a base of `Connection`, and not a part of it, so that a connection is one object. Most connections open and stay caught up:
 * they have neither cursors nor a backlog of their own.
 */
export abstract class Progress extends Output {
  readonly group: Group;
  readonly #source: BatchSource;
  readonly #policies: readonly OverflowPolicy[];
  readonly #counters: HubCounters;
  /** Its places in the logs while it lags; `undefined` while it is a member. */
  #cursors: Cursors | undefined;
  /** The messages and gaps that it lacks; `undefined` if it lacks none and knows no more than its cursors say. */
  #backlog: Backlog | undefined;
  /** The topics that had not begun when it was opened, if there were any. */
  readonly #awaited: AwaitedTopics | undefined;

  constructor(sink: Sink, counters: HubCounters, init: ConnectionInit) {
    super(sink, init.limits);
    const { client, group, resumePoints, awaited } = init;
    this.group = group;
    this.#source = init.source;
    this.#policies = init.policies;
    this.#counters = counters;
    this.#awaited = awaited.length === 0 ? undefined : new AwaitedTopics(awaited, client.startBy);
    this.#cursors = startOf(group, resumePoints);
    const isPlain = resumePoints.every(({ missed, isBehind }) => missed === undefined && isBehind !== true);
    if (!isPlain) this.#backlog = this.#newBacklog(resumePoints);
    counters.lagging += 1;
  }

  get position(): string {
    return this.places.position;
  }

  get cursors(): Cursors | undefined {
    return this.#cursors;
  }

  /** Its places in the logs. The caller copies them to keep them. */
  protected get places(): Cursors {
    return this.#cursors ?? this.group.cursorsOf(this.member);
  }

  /** Whether it has sent all of its topics up to their ends. */
  protected get isComplete(): boolean {
    const { logs, hasEnded } = this.group;
    const forgotten = this.#backlog?.forgotten;
    if (!hasEnded && !forgotten?.length && this.#awaited?.isReported !== true) return false;
    const lacks = (log: Log): boolean => forgotten?.includes(log) === true || this.#awaited?.lacks(log) === true;
    return logs.every((log, i) => this.hasEnd(i) || lacks(log));
  }

  /** Whether it has sent messages which the members of its group have not. */
  protected get isAhead(): boolean {
    const limits = this.group.cursors;
    return this.places.indexes.some((index, i) => index > (limits[i] as number));
  }

  /** This connection, as its group sees it. */
  protected abstract get member(): Member;

  /** Whether it has sent the end of a topic. */
  protected hasEnd(i: number): boolean {
    const { ended, head } = this.group.logs[i] as Log;
    return ended !== undefined && this.places.indexes[i] === head;
  }

  /** Keeps cursors of its own from now on. */
  protected lag(): void {
    this.#cursors = this.places.copy();
    this.#counters.lagging += 1;
  }

  /** Stops keeping cursors of its own, when it joins the members. */
  protected catchUp(): void {
    this.#cursors = undefined;
    if (this.#backlog?.isReplaceable === true) this.#backlog = undefined;
    this.#counters.lagging -= 1;
  }

  /** Keeps its places for good, once it is over. Returns whether it was a member. */
  protected freeze(): boolean {
    const isMember = this.#cursors === undefined;
    if (isMember) this.#cursors = this.places.copy();
    else this.#counters.lagging -= 1;
    return isMember;
  }

  /** Returns the next piece of its backlog up to `limits`, while it lags: see `Backlog.next`. */
  protected nextPiece(cursors: Cursors, limits: readonly number[]): ReturnType<Backlog["next"]> {
    if (this.#backlog === undefined && isCaughtUp(cursors, this.group, limits)) return undefined;
    this.#backlog ??= this.#newBacklog();
    return this.#backlog.next(cursors, limits);
  }

  /** Reads the page of older messages that `nextPiece` needs. Rejects with the broker's error. */
  protected async loadPage(): Promise<void> {
    await this.#backlog?.load();
  }

  /** Forgets a topic that was removed: nothing more is sent of it. */
  protected forget(log: Log): void {
    this.#backlog ??= this.#newBacklog();
    this.#backlog.forget(log);
  }

  /** Returns the logs of the topics that have not begun in time, once that is known: see `AwaitedTopics`. */
  protected takeOverdue(time: number): readonly Log[] | undefined {
    return this.#awaited?.takeOverdue(time);
  }

  #newBacklog(resumePoints: readonly ResumePoint[] = []): Backlog {
    return new Backlog(this.#source, this.#policies, resumePoints, this.#counters);
  }
}

/** Returns the places at which a connection starts. */
function startOf(group: Group, points: readonly ResumePoint[]): Cursors {
  const cursors = Cursors.at(
    group.logs,
    points.map(({ cursor }) => cursor),
  );
  for (let i = 0; i < points.length; i += 1) {
    const { cursor, position } = points[i] as ResumePoint;
    if (position !== undefined) cursors.move(i, cursor, position);
  }
  return cursors;
}

/** Returns whether nothing lies between a place and the limits, neither messages nor a gap. */
function isCaughtUp({ indexes }: Cursors, { logs }: Group, limits: readonly number[]): boolean {
  return logs.every(({ floor, holeEnd }, i) => {
    const index = indexes[i] as number;
    return index >= (limits[i] as number) && index >= floor && index >= holeEnd;
  });
}
