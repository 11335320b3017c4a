import { now } from "../../core/clock.ts";
import type { MeteredTape } from "../../log/log-memory.ts";
import type { Block } from "./block.ts";
import type { PackingContext } from "./packing-context.ts";
import { SharedWindow } from "./shared-window.ts";

/** The number of readers from which on each pass is packed: the packing then takes a small part of the writing. */
const LARGE_GROUP = 64;
/** The time for which a group stores its passes, once there was no time to pack one of them, in milliseconds. */
const REST_MS = 1000;
/** The bytes, for each reader of a group, that readers outside of an epoch may cost before another one begins. */
const RESTART_COST = 512;
/** The shortest pass and the shortest piece of a backlog that are packed, in bytes. A heartbeat is shorter. */
const SHORTEST_PASS = 40;
const SHORTEST_PIECE = 256;
/** The most that is held of passes for readers that lag, in bytes, and the most pieces of backlogs. */
const MOST_HELD = 65_536;
const MOST_PIECES = 16;
/** The memory of a packing besides its blocks and its window. */
const OVERHEAD = 600;

/** The epoch of a body or a pass that is in none. */
export const NO_EPOCH = 0;

/** The stretch of a group's logs that a pass sends: a name of its start, and the indexes of its end. */
export interface Stretch {
  readonly from: string;
  readonly end: readonly number[];
  /** The end of its bytes, where it depends on more than the place. */
  readonly text: string | undefined;
}

/** A piece of a backlog as blocks, and the checksum and length of its text. */
export interface Piece {
  readonly block: Block;
  readonly sum: number;
  readonly length: number;
}

/**
 * One pass over a group. A place in the text of all passes of the group has two numbers: the checksum of the text up to
 * it, as a signed number of 32 bits, and the length of the text up to it, which names the place.
 */
export interface Pass {
  /** The places at which the pass begins and ends. */
  readonly sumBefore: number;
  readonly lengthBefore: number;
  readonly sum: number;
  readonly length: number;
  /**
   * The epoch to whose bytes its block may refer, and whether it is the first pass of it, so that it refers to none.
   * `NO_EPOCH` if it is stored for all.
   */
  readonly epoch: number;
  readonly startsEpoch: boolean;
  /** The stretch of the logs, if the pass is held for readers that lag. */
  readonly stretch: Stretch | undefined;
}

/** A pass, and its blocks once a body has needed them. */
interface PackedPass extends Pass {
  /** Its bytes while it is under way. */
  bytes: Uint8Array | undefined;
  packed: Block | undefined;
  stored: Block | undefined;
}

/**
 * The compression of one group: each pass is packed once, and sent to all bodies that have had what its block refers to.
 *
 * A block refers to the last bytes of its *epoch*, which are the passes since the epoch began. A body that joins in the
 * middle is sent the same passes as stored blocks. When this has cost enough, the next pass begins another epoch, whose
 * first block refers to nothing, so that every body can take it. So no compressor lives from one pass to the next.
 *
 * Invariants: a pass ends before the next begins. Its bytes are one object, by which `passOf` knows them. The memory may
 * drop everything that is held at any time, which costs bytes and breaks nothing: a window may be any end of the epoch.
 *
 * A hub with many topics has one of these for each, and most of them are in no cache when a pass begins. So the fields
 * that each pass needs come first, and are numbers where they can be: an object would be one more piece of memory to load.
 */
export class Packing implements MeteredTape {
  readonly context: PackingContext;
  /** The place in the text at which the last pass has ended. */
  #sum = 0;
  #length = 0;
  #pass: PackedPass | undefined;
  /** The bodies that the pass has reached so far, inside the epoch and outside of it. */
  #inside = 0;
  #outside = 0;
  #isLarge = false;
  /** Whether the pass under way is stored, and the time until which passes are: whole milliseconds of the hub's clock. */
  #rests = false;
  #restsUntil = 0;
  /** The packed passes that bodies may have missed, by their start, the oldest first; and their memory. */
  #passes: Map<string, PackedPass> | undefined;
  #passBytes = 0;
  #epoch = 0;
  /** The bytes that bodies outside of the epoch have been sent more than others. */
  #debt = 0;
  readonly #window = new SharedWindow();
  /** The packed pieces of backlogs, the oldest first; and their memory. */
  #pieces: Map<string, Piece> | undefined;
  #pieceBytes = 0;
  held = 0;

  constructor(context: PackingContext) {
    this.context = context;
  }

  /**
   * Begins the next pass. The caller must call `endPass` before it begins another one.
   *
   * @param stretch The stretch that it sends, if readers lag, so that it is held for them.
   */
  beginPass(bytes: Uint8Array, stretch: Stretch | undefined): void {
    if (stretch === undefined) this.#forgetPasses();
    const [inside, outside] = [this.#inside, this.#outside];
    this.#inside = this.#outside = 0;
    this.#isLarge = inside + outside >= LARGE_GROUP;
    const rested = this.#rests;
    if (bytes.length >= SHORTEST_PASS) this.#rests = !this.#hasTime;
    if (this.#rests && !rested) this.#freeWindow();
    const isDear = outside > 0 && this.#debt >= RESTART_COST * (inside + outside);
    const startsEpoch = !this.#rests && (inside === 0 || isDear);
    if (startsEpoch) this.#startEpoch();
    const [sumBefore, lengthBefore] = [this.#sum, this.#length];
    this.#sum = this.context.sum(bytes, sumBefore);
    this.#length = lengthBefore + bytes.length;
    this.#pass = {
      bytes,
      sumBefore,
      lengthBefore,
      sum: this.#sum,
      length: this.#length,
      epoch: this.#rests ? NO_EPOCH : this.#epoch,
      startsEpoch,
      stretch,
      packed: undefined,
      stored: this.context.takeDraft(bytes),
    };
    if (!this.#rests) this.#measure();
  }

  /** Ends the pass under way: counts what it has cost bodies outside of the epoch, and holds it for bodies that lag. */
  endPass(): void {
    const pass = this.#pass;
    this.#pass = undefined;
    if (pass?.packed === undefined) return;
    const { packed, stored, stretch } = pass;
    if (this.#outside > 0 && stored !== undefined) this.#debt += this.#outside * (stored.length - packed.length);
    // A stored block that is the packed one too keeps the memory of the log. It is not worth holding.
    if (stretch === undefined || stored === packed) return;
    pass.bytes = pass.stored = undefined;
    this.#passes ??= new Map();
    this.#passes.set(stretch.from, pass);
    this.#passBytes += packed.held;
    while (this.#passBytes > MOST_HELD) this.#passBytes -= (dropFirst(this.#passes).packed as Block).held;
  }

  /** Whether the pass that begins may be packed. */
  get #hasTime(): boolean {
    if (this.#isLarge) return true;
    const { passes, counters } = this.context;
    const time = now();
    if (time >= this.#restsUntil) {
      if (passes.isLeft) return true;
      this.#restsUntil = Math.ceil(time) + REST_MS;
    }
    counters.overBudget += 1;
    return false;
  }

  #startEpoch(): void {
    this.#epoch += 1;
    this.#debt = 0;
    this.#window.clear();
  }

  #freeWindow(): void {
    this.#window.free();
    this.#measure();
  }

  /** Returns the pass under way, if these are its bytes. */
  passOf(bytes: Uint8Array): Pass | undefined {
    return bytes === this.#pass?.bytes ? this.#pass : undefined;
  }

  /** Returns the packed pass that begins at a place, if it is held. */
  passFrom(from: string): Pass | undefined {
    const pass = this.#pass?.stretch?.from === from ? this.#pass : this.#passes?.get(from);
    return pass?.packed === undefined ? undefined : pass;
  }

  /**
   * Returns the blocks of a pass for one body.
   *
   * @param isInside Whether the body has had the whole epoch so far. Pass `true` for a pass of `passFrom`.
   */
  blockOf(pass: Pass, isInside: boolean): Block {
    const known = pass as PackedPass;
    if (pass !== this.#pass) return known.packed as Block;
    if (isInside && !this.#rests) {
      this.#inside += 1;
      return (known.packed ??= this.#packPass(known));
    }
    this.#outside += 1;
    return (known.stored ??= this.context.store(known.bytes as Uint8Array));
  }

  /**
   * Returns a piece of a backlog as blocks that refer to nothing else. They are made once for all readers of the piece.
   *
   * @param key A name of the piece. Pieces with equal names have equal bytes.
   * @returns `undefined` if it is short, or if there is no time to pack it.
   */
  piece(key: string, bytes: Uint8Array): Piece | undefined {
    const known = this.#pieces?.get(key);
    if (known !== undefined || bytes.length < SHORTEST_PIECE) return known;
    const { backlogs, counters } = this.context;
    if (!backlogs.isLeft) {
      counters.overBudget += 1;
      return undefined;
    }
    const block = this.context.pack(bytes, bytes.subarray(0, 0), backlogs);
    const piece = { block, sum: this.context.sum(bytes, 0), length: bytes.length };
    this.#pieces ??= new Map();
    this.#pieces.set(key, piece);
    this.#pieceBytes += block.held;
    if (this.#pieces.size > MOST_PIECES) this.#pieceBytes -= dropFirst(this.#pieces).block.held;
    this.#measure();
    return piece;
  }

  /** Frees the blocks and the window, because the memory needs the room. */
  drop(): void {
    this.context.memory.tapeDropped(this);
    this.held = 0;
    this.#window.free();
    this.#forgetPasses();
    this.#pieces = undefined;
    this.#pieceBytes = 0;
  }

  /** Packs the pass under way, or stores it if it is short. Either way the next block may refer to it. */
  #packPass(pass: PackedPass): Block {
    const bytes = pass.bytes as Uint8Array;
    const budget = this.#isLarge ? undefined : this.context.passes;
    const block =
      bytes.length >= SHORTEST_PASS
        ? this.context.pack(bytes, this.#window.bytes, budget)
        : (pass.stored ??= this.context.store(bytes));
    this.#window.append(bytes);
    return block;
  }

  #forgetPasses(): void {
    if (this.#passes === undefined) return;
    this.#passes = undefined;
    this.#passBytes = 0;
  }

  /** Reports the memory that it takes, which may drop it. */
  #measure(): void {
    const before = this.held;
    this.held = OVERHEAD + this.#window.held + this.#passBytes + this.#pieceBytes;
    this.context.memory.tapeUsed(this, this.held - before);
  }
}

/** Removes the first entry of a map that has one, and returns its value. */
function dropFirst<Value>(map: Map<string, Value>): Value {
  const [[key, value]] = map as Iterable<[string, Value]> as [[string, Value]];
  map.delete(key);
  return value;
}
