import type { Format } from "../wire/format.ts";
import type { TopicEnd } from "../wire/item.ts";
import { heldBytes, type Entry, type LogBounds, type Publication } from "./entry.ts";
import type { LogMemory, MeteredLog, RankedLog } from "./log-memory.ts";
import { Newest } from "./newest.ts";
import type { OlderMessages } from "./older.ts";
import { positionPrefix } from "./position.ts";
import type { Piece } from "./tape.ts";
import { Tapes } from "./tapes.ts";

/** Options of a {@link Log}. */
export interface LogOptions {
  readonly bounds: LogBounds;
  /** Whether the newest message of each key outlives the bounds of entries and bytes, within the same bounds again. */
  readonly keepNewest: boolean;
  /** Whether offsets are 1, 2, 3 ..., so that they show how many messages are missing. */
  readonly isDense: boolean;
  /** The memory that this log shares with others. */
  readonly memory: LogMemory;
}

/** The ring of a log that has had no message yet. */
const emptyRing: readonly (Entry | undefined)[] = [];

/**
 * The newest messages of one topic: a ring, bounded by entries, bytes and age.
 *
 * Messages have the *indexes* 1, 2, 3 ...; the log holds those after `floor` up to `head`. A position names a message
 * by its epoch and its *offset*. With a broker both are the broker's; without one, the offset equals the index. A
 * log that follows a broker may have to `restart`, with a *hole* in its indexes for messages that it will never have.
 *
 * The end of a topic is its last entry, which the bounds do not count: it leaves last.
 *
 * Invariants: indexes never repeat or go back, not even over `restart` and `clear`, since cursors and tapes keep them.
 * An entry never changes. The times of entries never go back. Only this class converts offsets to indexes. Every change
 * of what it holds goes to the `LogMemory`.
 */
export class Log implements MeteredLog {
  readonly topic: string;
  /** Whether offsets are 1, 2, 3 ..., so that the log knows the offsets of messages that it has dropped. */
  readonly isDense: boolean;
  /** The messages before those of the log, if a broker may hold them. Set by the replica of its topic. */
  older: OlderMessages | undefined;
  #bounds: LogBounds;
  #epoch: string;
  /** The beginning of its positions. A log without messages does not keep it. */
  #prefix: string | undefined;
  readonly #memory: LogMemory;
  #tapes: Tapes | undefined;
  #ring = emptyRing as (Entry | undefined)[];
  #head = 0;
  #floor = 0;
  /** The offsets at the head and at the floor. */
  #headOffset = 0;
  #floorOffset = 0;
  /** The index at which the newest hole ends, and its position. */
  #holeEnd = 0;
  #holeEndPosition = "";
  /** The offset after which the topic has begun. */
  #begunAfter = 0;
  /** The first index from which differences between indexes are numbers of messages. */
  #countedFrom = 0;
  #lostAt = -Infinity;
  #bytes = 0;
  /** The memory of the messages in the ring, and what was last reported of all messages. */
  #held = 0;
  #reportedEntries = 0;
  #reportedHeld = 0;
  /** Its place among the logs that have messages. */
  #rank: RankedLog | undefined;
  #ended: TopicEnd | undefined;
  #byMessageId: Map<string, Entry> | undefined;
  readonly #newest: Newest | undefined;

  constructor(topic: string, epoch: string, { bounds, keepNewest, isDense, memory }: LogOptions) {
    this.topic = topic;
    this.#epoch = epoch;
    this.#bounds = bounds;
    this.isDense = isDense;
    this.#memory = memory;
    this.#newest = keepNewest ? new Newest() : undefined;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The index of the newest message; 0 before the first. */
  get head(): number {
    return this.#head;
  }

  /** The index of the newest message that the log no longer holds; 0 before the first one leaves. */
  get floor(): number {
    return this.#floor;
  }

  get size(): number {
    return this.#head - this.#floor;
  }

  /** The end of the topic, once that has been appended: the log's last entry. */
  get ended(): TopicEnd | undefined {
    return this.#ended;
  }

  /** The index of the newest message: the end of a topic is an entry, but no message. */
  get lastMessage(): number {
    return this.#ended === undefined ? this.#head : this.#head - 1;
  }

  /** Changes the bounds, which count from the next change of the log on. */
  bound(bounds: LogBounds): void {
    this.#bounds = bounds;
  }

  get oldestAt(): number | undefined {
    return this.#newest?.oldestBeyond?.at ?? (this.size === 0 ? undefined : this.entry(this.#floor + 1).at);
  }

  /** The offset of the newest message, or of the one after which the log begins. */
  get headOffset(): number {
    return this.#headOffset;
  }

  /** The index after which the topic has begun; `undefined` if the log does not know it. */
  get begin(): number | undefined {
    return this.indexOf(this.#epoch, this.#begunAfter);
  }

  /** The offset after which the topic has begun. */
  get begunAfter(): number {
    return this.#begunAfter;
  }

  /** The offset of the newest message that the log no longer holds. */
  get floorOffset(): number {
    return this.#floorOffset;
  }

  /** The index at which the newest hole ends; 0 if there is none. This process has no message of a hole. */
  get holeEnd(): number {
    return this.#holeEnd;
  }

  /**
   * Returns the position after the message with this index. Only for the floor, the index at which the newest hole ends
   * and the messages that the log holds; in a dense log for every index after that hole.
   */
  position(index: number): string {
    if (index === this.#holeEnd && index > 0) return this.#holeEndPosition;
    return this.positionAt(this.#offsetAt(index));
  }

  /** Returns the index that a position names; `undefined` if the position is of another epoch or ahead of this log. */
  indexOf(epoch: string, offset: number): number | undefined {
    if (epoch !== this.#epoch || offset > this.#headOffset) return undefined;
    // A client that has waited for the beginning has no other position.
    if (offset === 0 && this.#begunAfter > 0) return this.begin;
    if (this.isDense) return Math.max(0, this.#head - (this.#headOffset - offset));
    if (offset < this.#floorOffset) return this.#countedFrom - 1;
    let low = this.#floor;
    let high = this.#head;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.entry(middle).offset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * Returns the index of a reader that has read up to an offset of this epoch. It is below the floor if the log does not
   * hold all messages after it.
   */
  placeOf(offset: number): number {
    if (offset >= this.#floorOffset) return this.indexOf(this.#epoch, offset) ?? this.#head;
    const index = this.isDense ? this.#head - (this.#headOffset - offset) : 0;
    return Math.max(0, Math.min(index, this.#floor - 1));
  }

  /** Returns the position after an offset of this epoch. */
  positionAt(offset: number): string {
    return (this.#prefix ?? positionPrefix(this.topic, this.#epoch)) + String(offset);
  }

  /** Returns the number of messages from one index to another; `null` if it is unknown. */
  missed(from: number, to: number): number | null {
    return from < this.#countedFrom ? null : to - from;
  }

  /**
   * A time at or before which all messages were published that are missing before the floor, in milliseconds of the
   * hub's clock; -Infinity if none is missing.
   */
  get lostAt(): number {
    return this.#lostAt;
  }

  /** Returns the size of the data after an index that the log holds, as JSON in UTF-8 bytes. */
  bytesAfter(index: number): number {
    let bytes = 0;
    for (let i = this.#head; i > Math.max(index, this.#floor); i -= 1) bytes += this.entry(i).bytes;
    return bytes;
  }

  /** Returns the message with this index. Only for an index that the log holds. */
  entry(index: number): Entry {
    return this.#ring[index & (this.#ring.length - 1)] as Entry;
  }

  /** Returns the message with this id of the application's own, if the log holds it. */
  withMessageId(messageId: string): Entry | undefined {
    return this.#byMessageId?.get(messageId);
  }

  /**
   * Appends a message, and drops the messages that exceed the bounds.
   *
   * @param order The message's place among those of all topics of this process.
   * @param at The time of publication: `now`, or earlier. An earlier time than that of the message before it, as clocks
   *   of brokers give it, counts as the same.
   * @param offset The broker's offset; the next one by default.
   */
  append(
    message: Publication,
    order: number,
    now: number,
    at: number = now,
    offset: number = this.#headOffset + 1,
  ): Entry {
    const { json, text, event, key, messageId, bytes, ended } = message;
    const index = this.#head + 1;
    this.#prefix ??= positionPrefix(this.topic, this.#epoch);
    const id = this.#prefix + String(offset);
    const held = heldBytes(message);
    const time = this.size === 0 ? at : Math.max(at, this.entry(this.#head).at);
    // The messages that a hole has lost are older than the first one after it.
    if (this.#lostAt > time) this.#lostAt = time;
    const entry: Entry = { id, json, text, event, key, messageId, ended, index, offset, order, at: time, bytes, held };
    if (this.size === this.#ring.length) this.#grow();
    this.#ring[index & (this.#ring.length - 1)] = entry;
    this.#head = index;
    this.#headOffset = offset;
    this.#bytes += bytes;
    this.#held += held;
    if (messageId !== undefined) (this.#byMessageId ??= new Map()).set(messageId, entry);
    if (key !== undefined) this.#newest?.add(entry, key);
    this.#ended = ended;
    this.trim(now);
    return entry;
  }

  /** Drops the messages that exceed the bounds. */
  trim(now: number): void {
    this.#trim(this.#bounds, now);
  }

  #trim(bounds: LogBounds, now: number): void {
    const { maxEntries, maxBytes, maxAgeMs } = bounds;
    const before = this.#floor;
    while (this.size > 0) {
      const oldest = this.entry(this.#floor + 1);
      const messages = this.lastMessage - this.#floor;
      const over = messages > maxEntries || (this.#bytes > maxBytes && messages > 1);
      if (!over && now - oldest.at <= maxAgeMs) break;
      this.#drop(oldest);
    }
    this.#newest?.trim(bounds, now);
    if (this.#floor !== before) this.#tapes?.trim();
    this.#report();
  }

  /** Drops the oldest message, because the memory is full. */
  dropOldest(): void {
    const beyond = this.#newest?.oldestBeyond;
    if (beyond !== undefined) this.#newest?.remove(beyond);
    else if (this.size > 0) {
      const oldest = this.entry(this.#floor + 1);
      this.#drop(oldest);
      this.#newest?.remove(oldest);
      this.#tapes?.trim();
    }
    this.#report();
  }

  /**
   * Starts anew after an offset, because the messages in between are lost to this process. Drops all messages, so that
   * every follower reaches the hole.
   *
   * @param lostAt A time at or before which the lost messages were published, in milliseconds of the hub's clock.
   * @param begunAfter The offset after which the topic has begun. If it is `offset` or later, none is lost.
   */
  restart(epoch: string, offset: number, lostAt: number, begunAfter = 0): void {
    const isFirst = this.#head === 0;
    const isEmpty = this.size === 0 && this.#headOffset === 0 && epoch === this.#epoch;
    if (isEmpty && offset <= begunAfter) {
      // It had not begun, so whoever follows it has missed nothing.
      this.#headOffset = this.#floorOffset = this.#begunAfter = offset;
      return;
    }
    const isCounted = this.isDense && (isFirst || (epoch === this.#epoch && offset > this.#headOffset));
    this.clear();
    this.#ended = undefined;
    // A hole of unknown size is one index wide, so that cursors still meet it.
    this.#head = this.#floor = this.#head + (isCounted ? offset - this.#headOffset : 1);
    this.#headOffset = this.#floorOffset = offset;
    if (!isCounted) this.#countedFrom = this.#head;
    this.#epoch = epoch;
    this.#prefix = undefined;
    // A first epoch that begins before its first message has lost nothing.
    this.#begunAfter = Math.min(begunAfter, offset);
    this.#lostAt = isFirst && offset <= begunAfter ? -Infinity : lostAt;
    if (isFirst) return;
    this.#holeEndPosition = this.position(this.#head);
    this.#holeEnd = this.#head;
  }

  /** Drops all messages, as if they were too old. */
  clear(): void {
    this.#trim({ ...this.#bounds, maxAgeMs: 0 }, Infinity);
    this.#tapes?.clear();
    this.#ring = emptyRing as (Entry | undefined)[];
  }

  /** Whether it keeps a message of this key that is newer than an offset. Only of a log that keeps the newest of each key. */
  hasNewer(key: string, offset: number): boolean {
    return (this.#newest?.of(key)?.offset ?? 0) > offset;
  }

  /** Returns the newest messages of their keys that have left the ring, of those after an index, oldest first. */
  newestBeyond(index: number): Entry[] {
    return this.#newest?.after(index) ?? [];
  }

  /**
   * Returns the frames of the messages after `index` up to `limit` in one format, or as many as make one piece. Only for
   * messages that the log holds. The piece is shared by all readers, unless the format has a wrapper.
   */
  read(format: Format, index: number, limit: number): Piece {
    this.#tapes ??= new Tapes(this, this.#memory);
    return this.#tapes.read(format, index, limit);
  }

  #drop(oldest: Entry): void {
    this.#floor = oldest.index;
    this.#floorOffset = oldest.offset;
    this.#lostAt = oldest.at;
    this.#ring[oldest.index & (this.#ring.length - 1)] = undefined;
    this.#bytes -= oldest.bytes;
    this.#held -= oldest.held;
    this.#newest?.leave(oldest);
    if (oldest.messageId !== undefined && this.#byMessageId?.get(oldest.messageId) === oldest) {
      this.#byMessageId.delete(oldest.messageId);
    }
  }

  /** Reports to the memory what has changed since the last report. */
  #report(): void {
    const entries = this.size + (this.#newest?.beyond ?? 0);
    const held = this.#held + (this.#newest?.held ?? 0);
    this.#memory.changed(entries - this.#reportedEntries, held - this.#reportedHeld);
    this.#reportedEntries = entries;
    this.#reportedHeld = held;
    if (entries > 0) this.#rank ??= this.#memory.filled(this);
    else if (this.#rank !== undefined) {
      this.#memory.emptied(this.#rank);
      this.#rank = undefined;
    }
  }

  #offsetAt(index: number): number {
    if (this.isDense) return this.#headOffset - (this.#head - index);
    return index > this.#floor ? this.entry(index).offset : this.#floorOffset;
  }

  #grow(): void {
    const ring = new Array<Entry | undefined>(Math.max(4, this.#ring.length * 2)).fill(undefined);
    for (let index = this.#floor + 1; index <= this.#head; index += 1) {
      ring[index & (ring.length - 1)] = this.entry(index);
    }
    this.#ring = ring;
  }
}
