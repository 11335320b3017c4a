import type { Format } from "../wire/format.ts";
import type { Entry, LogBounds, Publication } from "./entry.ts";
import { Newest } from "./newest.ts";
import { positionPrefix } from "./position.ts";
import { Tape } from "./tape.ts";

/** How many tapes a log keeps: one for each wire, and some for callbacks of plain comet. */
const MAX_TAPES = 8;

/**
 * The newest messages of one topic: a ring, bounded by entries, bytes and age. Messages have the offsets 1, 2, 3 ... of
 * one epoch; those after `floor` up to `head` are held.
 */
export class Log {
  readonly topic: string;
  readonly epoch: string;
  readonly #bounds: LogBounds;
  readonly #prefix: string;
  readonly #tapes = new Map<string, Tape>();
  #ring: (Entry | undefined)[] = new Array<Entry | undefined>(4).fill(undefined);
  #head = 0;
  #floor = 0;
  #bytes = 0;
  #byMessageId: Map<string, Entry> | undefined;
  readonly #newest: Newest | undefined;

  /** @param keepNewest Whether the newest message of each key outlives the bounds of entries and bytes, within the same bounds again. */
  constructor(topic: string, epoch: string, bounds: LogBounds, keepNewest: boolean) {
    this.topic = topic;
    this.epoch = epoch;
    this.#bounds = bounds;
    this.#prefix = positionPrefix(topic, epoch);
    this.#newest = keepNewest ? new Newest(bounds) : undefined;
  }

  /** The offset of the newest message; 0 before the first. */
  get head(): number {
    return this.#head;
  }

  /** The offset of the newest message that is not held any more; 0 before the first leaves. */
  get floor(): number {
    return this.#floor;
  }

  get size(): number {
    return this.#head - this.#floor;
  }

  /** The data held, as JSON in UTF-8. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The position after the message with this offset. */
  position(offset: number): string {
    return this.#prefix + String(offset);
  }

  /** The message with this offset. Only for one that is held. */
  entry(offset: number): Entry {
    return this.#ring[offset & (this.#ring.length - 1)] as Entry;
  }

  /** The message with this id of the application's own, if it is held. */
  withMessageId(messageId: string): Entry | undefined {
    return this.#byMessageId?.get(messageId);
  }

  /** Adds a message, and lets go of those that the bounds have no room for. */
  append({ json, text, event, key, messageId, bytes }: Publication, order: number, now: number): Entry {
    const offset = this.#head + 1;
    const id = this.position(offset);
    const entry: Entry = { id, json, text, event, key, messageId, offset, order, at: now, bytes };
    if (this.size === this.#ring.length) this.#grow();
    this.#ring[offset & (this.#ring.length - 1)] = entry;
    this.#head = offset;
    this.#bytes += bytes;
    if (messageId !== undefined) (this.#byMessageId ??= new Map()).set(messageId, entry);
    if (key !== undefined) this.#newest?.add(entry, key);
    this.trim(now);
    return entry;
  }

  /** Lets go of what is over the bounds. */
  trim(now: number): void {
    const { maxEntries, maxBytes, maxAgeMs } = this.#bounds;
    const before = this.#floor;
    while (this.size > 0) {
      const oldest = this.entry(this.#floor + 1);
      const over = this.size > maxEntries || (this.#bytes > maxBytes && this.size > 1);
      if (!over && now - oldest.at <= maxAgeMs) break;
      this.#drop(oldest);
    }
    this.#newest?.trim(now);
    if (this.#floor !== before) for (const tape of this.#tapes.values()) tape.trim();
  }

  /** Lets go of everything, as if it had been too old. */
  clear(): void {
    this.trim(Infinity);
    this.#tapes.clear();
  }

  /** The newest messages of their keys that have left the ring, of those after an offset, oldest first. */
  newestBeyond(offset: number): Entry[] {
    return this.#newest?.after(offset) ?? [];
  }

  /** The frames of this log in one format, shared by all who read them. Only for a format with a `frameKey`. */
  tape(format: Format): Tape {
    const key = format.frameKey as string;
    let tape = this.#tapes.get(key);
    if (tape === undefined) {
      tape = new Tape(this, format);
      if (this.#tapes.size === MAX_TAPES) this.#tapes.delete(this.#tapes.keys().next().value as string);
    } else this.#tapes.delete(key);
    // The order of the map is that of use.
    this.#tapes.set(key, tape);
    return tape;
  }

  #drop(oldest: Entry): void {
    this.#floor = oldest.offset;
    this.#ring[oldest.offset & (this.#ring.length - 1)] = undefined;
    this.#bytes -= oldest.bytes;
    this.#newest?.left(oldest);
    if (oldest.messageId !== undefined && this.#byMessageId?.get(oldest.messageId) === oldest) {
      this.#byMessageId.delete(oldest.messageId);
    }
  }

  #grow(): void {
    const ring = new Array<Entry | undefined>(this.#ring.length * 2).fill(undefined);
    for (let offset = this.#floor + 1; offset <= this.#head; offset += 1) {
      ring[offset & (ring.length - 1)] = this.entry(offset);
    }
    this.#ring = ring;
  }
}
