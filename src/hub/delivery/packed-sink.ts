import { joinBytes } from "../../core/bytes.ts";
import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import { PackedBody, type BacklogPiece } from "../packing/packed-body.ts";
import type { Packing } from "../packing/packing.ts";
import { readBatch, type Batch, type BatchSource } from "./batch.ts";
import { placeOf, type Cursors } from "./cursors.ts";
import type { Sink } from "./sink.ts";

/** The bytes that are written next, and the index from which on they are a piece of a backlog. */
interface NextPiece extends BacklogPiece {
  readonly bytes: Uint8Array;
  readonly from: number;
}

/**
 * A sink of a compressed response: it passes blocks to the sink of the adapter.
 *
 * It recognizes the bytes of a pass by their identity. A backlog is read through it, so that it knows the next bytes,
 * and so that a connection which has missed a few passes is sent the blocks of these.
 */
export class PackedSink extends PackedBody implements Sink, BatchSource {
  readonly isChunked = false;
  readonly format: Format;
  readonly logs: readonly Log[];
  readonly #sink: Sink;
  /** The piece of a backlog that was read last. */
  #piece: NextPiece | undefined;

  constructor(sink: Sink, packing: Packing, { format, logs }: BatchSource) {
    super(packing, sink.isChunked);
    this.#sink = sink;
    this.format = format;
    this.logs = logs;
  }

  get batchKey(): object | undefined {
    return this.#sink.batchKey;
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
    this.#piece = { bytes: batch.bytes, from: 0, key, pass: isSame ? pass : undefined };
    return batch;
  }

  share(bytes: Uint8Array, key: string, from: number): void {
    this.#piece = { bytes, from, key, pass: undefined };
  }

  write(bytes: Uint8Array): boolean {
    const piece = this.#piece;
    // Most writes are passes: they change no more than they must, since the memory is in no cache.
    if (piece !== undefined) this.#piece = undefined;
    if (bytes.length === 0) return this.#sink.write(bytes);
    return this.#sink.write(piece?.bytes === bytes ? this.#withPiece(bytes, piece) : this.packed(bytes));
  }

  end(bytes: Uint8Array): void {
    this.#sink.end(this.packedEnd(bytes));
  }

  destroy(): void {
    this.#sink.destroy();
  }

  #withPiece(bytes: Uint8Array, piece: NextPiece): Uint8Array {
    const { from } = piece;
    if (from === 0) return this.packed(bytes, piece);
    // The bytes before the piece belong to this connection alone.
    const own = this.packed(bytes.subarray(0, from));
    return from === bytes.length ? own : joinBytes([own, this.packed(bytes.subarray(from), piece)]);
  }
}
