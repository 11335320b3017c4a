/** The number of bytes to which a block may refer. */
const WINDOW = 8192;
/** The sizes of the memory. It has room for more than a window, so that bytes are moved once in a while only. */
const SMALLEST = 512;
const LARGEST = 3 * WINDOW;

/** The last bytes that every body of an epoch has had, to which the next block may refer. */
export class SharedWindow {
  #memory: Uint8Array = new Uint8Array(0);
  #end = 0;

  /** The bytes, at most 8 KiB. They are valid until the next `append`. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(Math.max(0, this.#end - WINDOW), this.#end);
  }

  /** The memory that it takes, in bytes. */
  get held(): number {
    return this.#memory.length;
  }

  append(bytes: Uint8Array): void {
    const tail = bytes.subarray(-WINDOW);
    if (this.#end + tail.length > this.#memory.length) this.#makeRoom(tail.length);
    this.#memory.set(tail, this.#end);
    this.#end += tail.length;
  }

  /** Forgets the bytes, and keeps the memory. */
  clear(): void {
    this.#end = 0;
  }

  /** Forgets the bytes, and frees the memory. */
  free(): void {
    this.#memory = new Uint8Array(0);
    this.#end = 0;
  }

  #makeRoom(length: number): void {
    const kept = this.bytes;
    const needed = kept.length + length;
    if (this.#memory.length === LARGEST || needed * 2 <= this.#memory.length) {
      this.#memory.copyWithin(0, this.#end - kept.length, this.#end);
    } else {
      const memory = new Uint8Array(Math.min(LARGEST, Math.max(SMALLEST, needed * 2)));
      memory.set(kept);
      this.#memory = memory;
    }
    this.#end = kept.length;
  }
}
