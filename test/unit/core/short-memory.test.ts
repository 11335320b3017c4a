import { describe, expect, test } from "vitest";
import { allocate, encodeShort } from "../../../src/core/short-memory.ts";

describe("short memory", () => {
  test("gives each text bytes of its own, over the end of a block and for long texts", () => {
    const texts = Array.from({ length: 100 }, (_, i) => `${i} ${"é€😀".repeat(i)}${"x".repeat(i)}`);
    const all = [...texts, ...texts.map((text) => text.replaceAll(/[^ -~]/g, "-")), "x".repeat(2000), "", "\ud800"];
    const encoded = all.map(encodeShort);
    expect(encoded.map((bytes) => new TextDecoder().decode(bytes))).toEqual([...all.slice(0, -1), "\ufffd"]);
  });

  test("keeps no large block for a long piece, and no piece beyond its end", () => {
    const pieces = Array.from({ length: 100 }, (_, i) => allocate(i * 20));
    for (const [i, piece] of pieces.entries()) {
      expect(piece.length).toBe(i * 20);
      piece.fill(i);
    }
    for (const [i, piece] of pieces.entries()) expect(new Set(piece)).toEqual(new Set(i === 0 ? [] : [i]));
    expect(allocate(2000).buffer.byteLength).toBe(2000);
    expect(allocate(20).buffer.byteLength).toBeLessThanOrEqual(4096);
  });
});
