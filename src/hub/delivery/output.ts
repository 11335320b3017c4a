import { now } from "../../core/clock.ts";
import type { Sink } from "./sink.ts";

/** The bytes and writes after which the hub recycles a connection. */
export interface OutputLimits {
  readonly maxBytes: number;
  readonly maxWrites: number;
}

/**
 * The output of one connection: its sink, what was written there, and since when the sink takes nothing.
 *
 * It is the base of `Connection`, and not a part of it, so that a connection is one object. Invariant: once the sink is released,
 * nothing is written any more.
 */
export abstract class Output {
  /** The time since which the sink takes nothing; Infinity while it takes bytes. */
  stalledSince: number = Infinity;
  readonly #limits: OutputLimits;
  /** The bytes written to the sink, before it compresses them. */
  #bytes = 0;
  #writes = 0;
  #sink: Sink | undefined;

  constructor(sink: Sink, limits: OutputLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** The sink; `undefined` once it is released. */
  protected get sink(): Sink | undefined {
    return this.#sink;
  }

  /** Whether it has written as much as one connection may. */
  protected get isUsedUp(): boolean {
    return this.#bytes >= this.#limits.maxBytes || this.#writes >= this.#limits.maxWrites;
  }

  /** Breaks the response off. */
  abstract destroy(reason: "stalled" | "error"): void;

  /** Writes bytes. Returns whether the sink takes more. */
  protected write(bytes: Uint8Array): boolean {
    if (this.#sink === undefined) return false;
    let wantsMore = false;
    try {
      wantsMore = this.#sink.write(bytes);
    } catch {
      this.destroy("error");
    }
    this.wrote(bytes.length, wantsMore);
    return wantsMore;
  }

  /** Notes that bytes were written. */
  protected wrote(length: number, wantsMore: boolean): void {
    this.#bytes += length;
    this.#writes += 1;
    if (!wantsMore) this.stall();
  }

  /** Notes that the sink takes nothing, unless that is known. */
  protected stall(): void {
    if (this.stalledSince === Infinity) this.stalledSince = now();
  }

  /** Writes the last bytes to the sink that was taken before the connection ended. It is released later. */
  protected writeEnd(sink: Sink | undefined, bytes: Uint8Array): void {
    this.stalledSince = now();
    try {
      sink?.end(bytes);
    } catch {
      sink?.destroy();
    }
  }

  /** Releases the sink. Returns whether it had one. */
  protected releaseSink(): boolean {
    const hadSink = this.#sink !== undefined;
    this.#sink = undefined;
    return hadSink;
  }
}
