import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import { PackedBody } from "../packing/packed-body.ts";
import type { Packing } from "../packing/packing.ts";
import { readBatch, type Batch, type BatchSource } from "./batch.ts";
import { placeOf, type Cursors } from "./cursors.ts";
import type { Sink } from "./sink.ts";

/**
 * A sink of a compressed response: it passes blocks to the sink of the adapter.
 *
 * It recognizes the bytes of a pass by their identity. A backlog is read through it, so that it knows the next bytes,
 * and so that a connection which has missed a few passes is sent the blocks of these.
 */
export class PackedSink extends PackedBody<Sink> implements Sink, BatchSource {
  readonly #source: BatchSource;

  constructor(sink: Sink, packing: Packing, source: BatchSource) {
    super(packing, sink);
    this.#source = source;
  }

  get isChunked(): false {
    return false;
  }

  get format(): Format {
    return this.#source.format;
  }

  get logs(): readonly Log[] {
    return this.#source.logs;
  }

  get batchKey(): object | undefined {
    return this.output.batchKey;
  }

  encode(bytes: Uint8Array): Uint8Array {
    return this.packed(bytes);
  }

  read(cursors: Cursors, limits: readonly number[]): Batch | undefined {
    const from = placeOf(cursors);
    const pass = this.passFrom(from);
    const end = pass?.stretch?.end;
    const isWithin = end?.every((index, i) => index <= (limits[i] as number)) === true;
    const batch = readBatch(this.format, this.logs, cursors, isWithin ? end : limits);
    if (batch === undefined) return undefined;
    // A tape that was dropped meanwhile may end its pieces elsewhere.
    const isWhole = isWithin && cursors.indexes.every((index, i) => index === end[i]);
    const isSame = isWhole && pass?.stretch?.text === batch.end;
    const key = `${from} ${cursors.indexes.join()} ${batch.end ?? ""}`;
    this.announce({ bytes: batch.bytes, from: 0, key, pass: isSame ? pass : undefined });
    return batch;
  }

  share(bytes: Uint8Array, key: string, from: number): void {
    this.announce({ bytes, from, key, pass: undefined });
  }

  write(bytes: Uint8Array): boolean {
    return this.output.write(bytes.length === 0 ? bytes : this.packed(bytes));
  }

  end(bytes: Uint8Array): void {
    this.output.end(this.packedEnd(bytes));
  }

  destroy(): void {
    this.output.destroy();
  }
}
