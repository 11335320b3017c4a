import { now } from "../../core/clock.ts";
import type { LogMemory } from "../../log/log-memory.ts";
import { CompressionCounters, type HubStats } from "../hub-stats.ts";
import { PackedBlock, StoredBlock, type Block } from "./block.ts";
import { storedLength } from "./gzip.ts";
import { PackingBudget } from "./packing-budget.ts";
import { runtimeZlib, type Zlib } from "./zlib.ts";

/** The share of one processor's time that passes to few readers may take, and what they may save up. */
const PASS_SHARE = 0.01;
const MOST_PASS_MS = 10;
/** The same of backlogs. A piece takes about 2 ms, and clients reconnect together. */
const BACKLOG_SHARE = 0.05;
const MOST_BACKLOG_MS = 50;

/** The dependencies that all packings of a hub share. */
export class PackingContext {
  readonly counters: CompressionCounters = new CompressionCounters();
  readonly memory: LogMemory;
  /** The budget of passes to few readers. */
  readonly passes: PackingBudget = new PackingBudget(PASS_SHARE, MOST_PASS_MS);
  /** The budget of backlogs. It is another one, since strangers decide how many backlogs there are. */
  readonly backlogs: PackingBudget = new PackingBudget(BACKLOG_SHARE, MOST_BACKLOG_MS);
  readonly #zlib: Zlib;
  /** The block whose memory the next pass may be written into. */
  #draft: StoredBlock | undefined;

  constructor(memory: LogMemory) {
    this.memory = memory;
    // `compressionTest` has found it.
    this.#zlib = runtimeZlib() as Zlib;
  }

  /** The figures so far, as `hub.stats()` has them. */
  get stats(): NonNullable<HubStats["compression"]> {
    const { packed, packingMs, overBudget, plainBytes, sentBytes } = this.counters;
    return { packed, packingMs, overBudget, plainBytes, sentBytes };
  }

  /** Returns the CRC-32 of bytes that follow bytes with a CRC-32 of `sum`. It is signed, since V8 stores such numbers in place. */
  sum(bytes: Uint8Array, sum: number): number {
    return this.#zlib.crc32(bytes, sum >>> 0) | 0;
  }

  /** Returns bytes as blocks that refer to nothing but them and `window`, or as stored ones if these are shorter. */
  pack(bytes: Uint8Array, window: Uint8Array, budget?: PackingBudget): Block {
    const start = now();
    const packed = this.#zlib.deflate(bytes, window);
    // A copy: zlib's result lies in a larger piece of memory, which it would hold.
    const isShorter = packed.length < storedLength(bytes.length);
    const block = isShorter ? new PackedBlock(new Uint8Array(packed)) : this.store(bytes);
    const ms = now() - start;
    budget?.spend(ms);
    this.counters.packed += 1;
    this.counters.packingMs += ms;
    return block;
  }

  /** Returns memory for the bytes of the pass that begins next. All of it must be written, or none. */
  allocate(length: number): Uint8Array {
    this.#draft = StoredBlock.allocate(length);
    return this.#draft.plain;
  }

  /** Returns the block whose memory `allocate` has given last, if it has these bytes. */
  takeDraft(bytes: Uint8Array): StoredBlock | undefined {
    const draft = this.#draft;
    this.#draft = undefined;
    return draft?.plain === bytes ? draft : undefined;
  }

  /** Returns bytes as stored blocks. */
  store(bytes: Uint8Array): Block {
    return new StoredBlock(bytes);
  }
}
