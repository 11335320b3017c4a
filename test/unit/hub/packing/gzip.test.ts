import { constants, deflateRawSync, gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { joinBytes } from "../../../../src/core/bytes.ts";
import { combineSums, GZIP_HEAD, gzipTrailer, storedBlocks, storedLength } from "../../../../src/hub/packing/gzip.ts";
import { runtimeZlib } from "../../../../src/hub/packing/zlib.ts";
import { gunzip, hashesByPython, sha256, slowCrc32 } from "../../../support/gunzip.ts";

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7919) >>> (i % 13));
const textOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const endOf = (content: Uint8Array): Uint8Array => gzipTrailer(slowCrc32(content), content.length);

describe("stored blocks", () => {
  test.each([0, 1, 65_534, 65_535, 65_536, 131_070, 200_000])("hold %i bytes, also as the last blocks", (length) => {
    const bytes = bytesOf(length);
    expect(joinBytes(storedBlocks(bytes)).length).toBe(storedLength(length));
    const once = joinBytes([GZIP_HEAD, ...storedBlocks(bytes, true), endOf(bytes)]);
    expect(gunzip(once).equals(bytes)).toBe(true);
    const twice = joinBytes([bytes, bytes]);
    const both = joinBytes([GZIP_HEAD, ...storedBlocks(bytes), ...storedBlocks(bytes, true), endOf(twice)]);
    expect(gunzip(both).equals(twice)).toBe(true);
  });

  test("are not the last blocks unless this is asked for", () => {
    const bytes = bytesOf(100);
    expect(() => gunzip(joinBytes([GZIP_HEAD, ...storedBlocks(bytes), endOf(bytes)]))).toThrow();
  });
});

describe("combineSums", () => {
  test("returns the checksum of two texts in a row", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 3000 }), (a, b) => {
        expect(combineSums(slowCrc32(a), slowCrc32(b), b.length)).toBe(slowCrc32(joinBytes([a, b])));
      }),
    );
  });

  test("is associative for lengths up to 2^53", () => {
    const sum = fc.integer({ min: 0, max: 0xffffffff });
    const length = fc.oneof(fc.integer({ min: 0, max: 2 ** 20 }), fc.integer({ min: 0, max: 2 ** 51 }));
    fc.assert(
      fc.property(sum, sum, sum, length, length, (a, b, c, lengthB, lengthC) => {
        const right = combineSums(a, combineSums(b, c, lengthC), lengthB + lengthC);
        expect(combineSums(combineSums(a, b, lengthB), c, lengthC)).toBe(right);
      }),
    );
  });
});

test("the trailer has the length modulo 2^32", () => {
  expect([...gzipTrailer(0x01020304, 2 ** 32 + 5)]).toEqual([4, 3, 2, 1, 5, 0, 0, 0]);
});

describe("a member of blocks that refer to the blocks before them", () => {
  const first = textOf(`{"price":17,"symbol":"KIKI","at":"2026-11-29"}\n`.repeat(4));
  const own = textOf("only for one client\n");
  const second = textOf(`{"price":18,"symbol":"KIKI","at":"2026-11-30"}\n`);
  const content = joinBytes([own, first, second]);
  const deflate = (bytes: Uint8Array, dictionary?: Uint8Array): Uint8Array =>
    deflateRawSync(bytes, {
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary !== undefined && { dictionary, windowBits: 13 }),
    });
  const member = (dictionary: Uint8Array, trailer = endOf(content)): Uint8Array =>
    joinBytes([
      GZIP_HEAD,
      ...storedBlocks(own),
      deflate(first),
      deflate(second, dictionary),
      ...storedBlocks(new Uint8Array(), true),
      trailer,
    ]);

  test("is read by fflate, zlib and Python", async () => {
    const whole = member(first);
    expect(gunzip(whole).equals(content)).toBe(true);
    expect(await hashesByPython([whole])).toEqual([sha256(content)]);
  });

  test("is refused by each of them with a wrong checksum", async () => {
    const wrong = member(first, gzipTrailer(slowCrc32(content) ^ 1, content.length));
    expect(() => gunzip(wrong)).toThrow("The checksum is wrong.");
    expect(() => gunzipSync(wrong)).toThrow("incorrect data check");
    expect(await hashesByPython([wrong])).toEqual([expect.stringContaining("CRC check failed")]);
  });

  test("is refused by each of them if a block was made for another window", async () => {
    const wrong = member(joinBytes([first.subarray(3), own.subarray(0, 3)]));
    expect(() => gunzip(wrong)).toThrow("The checksum is wrong.");
    expect(() => gunzipSync(wrong)).toThrow("incorrect data check");
    expect(await hashesByPython([wrong])).toEqual([expect.stringContaining("CRC check failed")]);
  });
});

test("the runtime's zlib makes blocks that end at a byte, and continues a checksum", () => {
  const zlib = runtimeZlib();
  if (zlib === undefined) return expect.fail("This runtime has no zlib.");
  const [head, tail] = [textOf("kiki foo bar "), textOf("kiki foo bar kiki")];
  const blocks = [zlib.deflate(head, new Uint8Array()), zlib.deflate(tail, head)];
  const content = joinBytes([head, tail]);
  const whole = joinBytes([GZIP_HEAD, ...blocks, ...storedBlocks(new Uint8Array(), true), endOf(content)]);
  expect(gunzip(whole).equals(content)).toBe(true);
  expect(zlib.crc32(tail, zlib.crc32(head, 0))).toBe(slowCrc32(content));
});
