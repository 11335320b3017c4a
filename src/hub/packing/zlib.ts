/**
 * The zlib of the runtime. This is the only portable file that asks for a module of Node, which the lint rules name.
 *
 * It is taken at run time, so that a runtime without one loads the package, and sends everything plain.
 */

/** The part of zlib that packing needs. */
export interface Zlib {
  /**
   * Compresses bytes into deflate blocks that end at a byte. They refer to nothing but these bytes and `dictionary`, the
   * bytes directly before them.
   */
  readonly deflate: (bytes: Uint8Array, dictionary: Uint8Array) => Uint8Array;
  /** Returns the CRC-32 of bytes that follow bytes with a CRC-32 of `sum`. */
  readonly crc32: (bytes: Uint8Array, sum: number) => number;
}

/** The same in `node:zlib`, which Bun and Deno have too. Deno 2.9 ignores `dictionary`. */
interface NodeZlib {
  readonly constants: { readonly Z_SYNC_FLUSH: number };
  readonly deflateRawSync: (bytes: Uint8Array, options: object) => Uint8Array;
  readonly crc32: (bytes: Uint8Array, sum: number) => number;
}

/**
 * The settings for a window of 8 KiB, as `SharedWindow` keeps it: they halve the memory that each call allocates. The
 * highest level costs nothing more, since most of the time goes into setting up.
 */
const SMALL = { windowBits: 13, memLevel: 6, level: 9 };

/** The most memory that is allocated for a result at once, in bytes, and the bytes by which a result may be longer than its text. */
const MOST_AT_ONCE = 16_384;
const MOST_GROWTH = 64;

let zlib: Zlib | null | undefined;

/** Returns the runtime's zlib; `undefined` if it has none that works as Node's. */
export function runtimeZlib(): Zlib | undefined {
  if (zlib === undefined) zlib = find() ?? null;
  return zlib ?? undefined;
}

function find(): Zlib | undefined {
  const { process, navigator } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
    readonly navigator?: { readonly userAgent?: string };
  };
  // A Worker compresses a response with this Content-Encoding by itself, once more.
  if (navigator?.userAgent === "Cloudflare-Workers") return undefined;
  try {
    const found = zlibOver(process?.getBuiltinModule?.("node:zlib") as NodeZlib);
    return works(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

function zlibOver({ constants, deflateRawSync, crc32 }: NodeZlib): Zlib {
  const finishFlush = constants.Z_SYNC_FLUSH;
  return {
    deflate: (bytes, dictionary) => {
      // By default 16 KiB are allocated for each result, which takes longer than to compress a short text.
      const chunkSize = Math.min(bytes.length + MOST_GROWTH, MOST_AT_ONCE);
      const options = { finishFlush, chunkSize };
      return deflateRawSync(bytes, dictionary.length === 0 ? options : { ...options, ...SMALL, dictionary });
    },
    crc32: (bytes, sum) => crc32(bytes, sum),
  };
}

/** Returns whether the calls do what packing relies on: a runtime may know a call and ignore one of its options. */
function works({ deflate, crc32 }: Zlib): boolean {
  const text = new TextEncoder().encode("123456789".repeat(20));
  const alone = deflate(text, text.subarray(0, 0));
  const after = deflate(text, text);
  const endsAtByte = [alone, after].every((block) => block.subarray(-4).join() === "0,0,255,255");
  return (
    endsAtByte && after.length < alone.length && crc32(text.subarray(3, 9), crc32(text.subarray(0, 3), 0)) === CHECK
  );
}

/** The CRC-32 of "123456789". */
const CHECK = 0xcbf43926;
