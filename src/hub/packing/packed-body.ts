import { joinBytes } from "../../core/bytes.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import type { Block } from "./block.ts";
import { combineSums, GZIP_HEAD, gzipTrailer, storedBlocks } from "./gzip.ts";
import { NO_EPOCH, type Packing, type Pass } from "./packing.ts";

/** The length of the group's text where no row of passes is going on. */
const NO_ROW = -1;

/** The bytes that a body is about to be sent, which end with a piece of a backlog. */
export interface BacklogPiece {
  readonly bytes: Uint8Array;
  /** The index from which on they are the piece. */
  readonly from: number;
  /** Its name: pieces of one group with equal names have equal bytes. */
  readonly key: string;
  /** The held pass that it is, if it is one. */
  readonly pass: Pass | undefined;
}

/** The receiver of the bytes of a body. */
export interface BodyOutput {
  /** Whether it takes them in HTTP/1.1's chunked coding. */
  readonly isChunked: boolean;
}

/**
 * The gzip member of one connection: it turns the bytes that are written into blocks, most of them shared.
 *
 * It is the base of the connection's `PackedSink`, and not a part of it, so that a stream has one object more and not two. A pass
 * reads the bodies of all its readers, most of them from memory that is in no cache: so the fields that it needs come first.
 *
 * It knows what its client has had, so it alone decides whether a block may be sent. A block of a pass may refer to the
 * passes of its epoch, if the client has had all of these in a row, with nothing of its own in between.
 *
 * The checksum costs nothing while passes follow one another: it is that of the group's text, from the row's start on, and is
 * combined with the body's own when the row ends.
 */
export class PackedBody<Output extends BodyOutput = BodyOutput> {
  protected readonly output: Output;
  readonly #packing: Packing;
  /** The piece of a backlog that was announced last. */
  #piece: BacklogPiece | undefined;
  #hasBegun = false;
  /** The epoch that the client has had all of. */
  #epoch = NO_EPOCH;
  /**
   * The length and checksum of the group's text after the last pass of the row. They are numbers, since each pass writes
   * them: V8 keeps a list of old objects that refer to a new one.
   */
  #atLength = NO_ROW;
  #atSum = 0;
  /** The length and checksum of the group's text before the row. */
  #fromLength = 0;
  #fromSum = 0;
  /** The checksum and length of what the client has had, without the row of passes that is going on. */
  #sum = 0;
  #length = 0;

  constructor(packing: Packing, output: Output) {
    this.#packing = packing;
    this.output = output;
  }

  /** Returns the held pass that begins at a place, if the client can read it. */
  passFrom(from: string): Pass | undefined {
    const pass = this.#packing.passFrom(from);
    return pass !== undefined && this.#canRead(pass) ? pass : undefined;
  }

  /** Announces the next bytes, if they are written: a pass may come first. */
  announce(piece: BacklogPiece): void {
    this.#piece = piece;
  }

  /** Returns bytes as they are sent to the client. */
  packed(bytes: Uint8Array): Uint8Array {
    const piece = this.#piece;
    // Most bytes are passes: they change no more than they must.
    if (piece !== undefined) this.#piece = undefined;
    return piece?.bytes === bytes ? this.#withPiece(piece) : this.#packed(bytes);
  }

  #withPiece(piece: BacklogPiece): Uint8Array {
    const { bytes, from } = piece;
    if (from === 0) return this.#packed(bytes, piece);
    // The bytes before the piece belong to this connection alone.
    const own = this.#packed(bytes.subarray(0, from));
    return from === bytes.length ? own : joinBytes([own, this.#packed(bytes.subarray(from), piece)]);
  }

  #packed(bytes: Uint8Array, piece?: BacklogPiece): Uint8Array {
    const pass = piece?.pass ?? this.#packing.passOf(bytes);
    return this.#counted(bytes, pass === undefined ? this.#own(bytes, piece) : this.#shared(pass));
  }

  /** Returns the last bytes as they are sent to the client, and the end of the member. */
  packedEnd(bytes: Uint8Array): Uint8Array {
    this.#add(bytes);
    const last = [...this.#head(), ...storedBlocks(bytes, true), gzipTrailer(this.#sum, this.#length)];
    return this.#counted(bytes, this.#framed(last));
  }

  #canRead(pass: Pass): boolean {
    return pass.startsEpoch || (this.#atLength === pass.lengthBefore && this.#epoch === pass.epoch);
  }

  #shared(pass: Pass): Uint8Array {
    const isInside = this.#canRead(pass);
    if (this.#atLength !== pass.lengthBefore) {
      this.#endRow();
      this.#fromLength = pass.lengthBefore;
      this.#fromSum = pass.sumBefore;
    }
    this.#atLength = pass.length;
    this.#atSum = pass.sum;
    this.#epoch = isInside ? pass.epoch : NO_EPOCH;
    return this.#begun(this.#packing.blockOf(pass, isInside));
  }

  #own(bytes: Uint8Array, piece: BacklogPiece | undefined): Uint8Array {
    const shared = piece && this.#packing.piece(piece.key, bytes);
    if (shared === undefined) {
      this.#add(bytes);
      return this.#framed([...this.#head(), ...storedBlocks(bytes)]);
    }
    // The client has what the block was made of. So the checksum is right even if equal names had other bytes.
    const { block, sum, length } = shared;
    this.#leaveEpoch();
    this.#sum = combineSums(this.#sum, sum, length);
    this.#length += length;
    return this.#begun(block);
  }

  /** Returns a block as it is sent, after the head if it is the first. */
  #begun(block: Block): Uint8Array {
    return this.#hasBegun ? block.framed(this.output.isChunked) : this.#framed([...this.#head(), block.framed(false)]);
  }

  /** Adds bytes that are no pass to the checksum. */
  #add(bytes: Uint8Array): void {
    this.#leaveEpoch();
    this.#sum = this.#packing.context.sum(bytes, this.#sum);
    this.#length += bytes.length;
  }

  #leaveEpoch(): void {
    this.#endRow();
    this.#epoch = NO_EPOCH;
  }

  /** Adds the row of passes to the checksum, and ends it. */
  #endRow(): void {
    if (this.#atLength === NO_ROW) return;
    const length = this.#atLength - this.#fromLength;
    // The checksum of the group's text before the row is in `#atSum` too: it cancels out.
    this.#sum = combineSums(this.#sum ^ this.#fromSum, this.#atSum, length);
    this.#length += length;
    this.#atLength = NO_ROW;
  }

  #head(): Uint8Array[] {
    if (this.#hasBegun) return [];
    this.#hasBegun = true;
    return [GZIP_HEAD];
  }

  #framed(pieces: readonly Uint8Array[]): Uint8Array {
    return this.output.isChunked ? chunkOf(pieces) : joinBytes(pieces);
  }

  #counted(plain: Uint8Array, sent: Uint8Array): Uint8Array {
    const { counters } = this.#packing.context;
    counters.plainBytes += plain.length;
    counters.sentBytes += sent.length;
    return sent;
  }
}
