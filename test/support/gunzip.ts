import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gunzipSync } from "node:zlib";
import { inflateSync } from "fflate";
import { ensureSystemPackages, systemPath } from "./system-packages.ts";

/** The CRC-32 of each byte. */
const sums = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  return sum;
});

/** The CRC-32 of bytes, which shares no code with zlib. */
export function slowCrc32(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ (sums[(sum ^ byte) & 255] as number);
  return ~sum >>> 0;
}

/**
 * Returns the content of a whole gzip member. The blocks are inflated by fflate, which shares no code with zlib, and the
 * trailer is compared with the content by {@link slowCrc32}.
 *
 * @throws An error if the head, a block or the trailer is wrong.
 */
export function gunzip(member: Uint8Array): Buffer {
  if (Buffer.from(member.subarray(0, 4)).toString("hex") !== "1f8b0800") throw new Error("The head is wrong.");
  const content = Buffer.from(inflateSync(member.subarray(10, -8)));
  const trailer = new DataView(member.buffer, member.byteOffset + member.length - 8, 8);
  if (trailer.getUint32(4, true) !== content.length) throw new Error("The length is wrong.");
  if (trailer.getUint32(0, true) !== slowCrc32(content)) throw new Error("The checksum is wrong.");
  // zlib also refuses bytes after the last block.
  if (!gunzipSync(member).equals(content)) throw new Error("zlib and fflate disagree.");
  return content;
}

/** Returns the content of a member that is not over. */
export function gunzipSoFar(bytes: Uint8Array): Buffer {
  return bytes.length === 0 ? Buffer.alloc(0) : gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
}

const PYTHON = `
import glob, gzip, hashlib, sys
for name in sorted(glob.glob(sys.argv[1] + "/*")):
    try:
        print(hashlib.sha256(gzip.decompress(open(name, "rb").read())).hexdigest())
    except Exception as error:
        print(type(error).__name__, error)
`;

/** Returns the SHA-256 of the content of each member, by Python's standard library, or its error. */
export async function hashesByPython(members: readonly Uint8Array[]): Promise<string[]> {
  await ensureSystemPackages(["python3"]);
  const folder = mkdtempSync(join(tmpdir(), "comet-gzip-"));
  try {
    members.forEach((member, i) => writeFileSync(join(folder, String(i).padStart(6, "0")), member));
    const { stdout } = await promisify(execFile)(systemPath("python3"), ["-c", PYTHON, folder]);
    return stdout.trimEnd().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
