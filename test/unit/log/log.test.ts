import { describe, expect, test, vi } from "vitest";
import type { LogBounds, Publication } from "../../../src/log/entry.ts";
import { Log } from "../../../src/log/log.ts";
import { ndjsonFormat } from "../../../src/wire/ndjson-format.ts";

const letters = (text: string): string[] => text.split("");

const wide: LogBounds = { maxEntries: 100, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };

function publication(text: string, more: Partial<Publication> = {}): Publication {
  return {
    json: JSON.stringify(text),
    text,
    event: undefined,
    key: undefined,
    messageId: undefined,
    bytes: Buffer.byteLength(JSON.stringify(text)),
    ...more,
  };
}

function filled(bounds: Partial<LogBounds>, texts: readonly string[], keepNewest = false): Log {
  const log = new Log("t", "e", { bounds: { ...wide, ...bounds }, keepNewest, isDense: true });
  texts.forEach((text, i) => log.append(publication(text, { key: text.slice(0, 1) }), i, i));
  return log;
}

const held = (log: Log): (string | undefined)[] =>
  Array.from({ length: log.size }, (_, i) => log.entry(log.floor + 1 + i).text);

const decode = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("a log", () => {
  test("numbers its messages from 1, and returns the position of each", () => {
    const log = new Log("a b", "e1", { bounds: wide, keepNewest: false, isDense: true });
    expect(log.position(0)).toBe("a%20b=e1.0");
    expect(log.append(publication("x"), 1, 0)).toMatchObject({ offset: 1, id: "a%20b=e1.1", bytes: 3 });
    expect(log.append(publication("ä"), 2, 0)).toMatchObject({ offset: 2, id: "a%20b=e1.2", bytes: 4 });
    expect([log.head, log.floor, log.size, log.bytes]).toEqual([2, 0, 2, 7]);
  });

  test("holds at most maxEntries", () => {
    const log = filled({ maxEntries: 3 }, letters("abcde"));
    expect([held(log), log.floor, log.head]).toEqual([["c", "d", "e"], 2, 5]);
  });

  test("holds at most maxBytes, and a larger message alone", () => {
    expect(held(filled({ maxBytes: 10 }, ["aa", "bb", "cc"]))).toEqual(["bb", "cc"]);
    expect(held(filled({ maxBytes: 10 }, ["aa", "b".repeat(20)]))).toEqual(["b".repeat(20)]);
  });

  test("holds messages for maxAgeMs", () => {
    const log = filled({ maxAgeMs: 5 }, letters("abcdefgh"));
    expect(held(log)).toEqual(letters("cdefgh"));
    log.trim(10);
    expect(held(log)).toEqual(letters("fgh"));
    log.trim(100);
    expect([log.size, log.bytes, log.head]).toEqual([0, 0, 8]);
  });

  test("grows beyond the initial size of its ring, from any start", () => {
    for (let drop = 0; drop < 20; drop += 1) {
      const log = new Log("t", "e", {
        bounds: { ...wide, maxEntries: 64, maxAgeMs: 10 },
        keepNewest: false,
        isDense: true,
      });
      for (let i = 0; i < drop; i += 1) log.append(publication(String(i)), i, 0);
      log.trim(11);
      for (let i = 0; i < 70; i += 1) log.append(publication(`n${i}`), i, 20);
      expect(held(log)).toEqual(Array.from({ length: 64 }, (_, i) => `n${i + 6}`));
    }
  });

  test("finds a message by its message id while it holds it", () => {
    const log = new Log("t", "e", { bounds: { ...wide, maxEntries: 2 }, keepNewest: false, isDense: true });
    const first = log.append(publication("a", { messageId: "m1" }), 1, 0);
    log.append(publication("b"), 2, 0);
    expect(log.withMessageId("m1")).toBe(first);
    log.append(publication("c"), 3, 0);
    expect(log.withMessageId("m1")).toBe(undefined);
  });

  test("holds the newest of each key beyond its ring if so configured", () => {
    const log = filled({ maxEntries: 2 }, ["a1", "b1", "a2", "c1", "d1", "d2"], true);
    expect(held(log)).toEqual(["d1", "d2"]);
    expect(log.newestBeyond(0).map(({ text }) => text)).toEqual(["a2", "c1"]);
    expect(log.newestBeyond(3).map(({ text }) => text)).toEqual(["c1"]);
    expect(filled({ maxEntries: 2 }, ["a1", "b1", "c1"]).newestBeyond(0)).toEqual([]);
  });

  test("bounds the messages beyond its ring by the same limits, and by age", () => {
    const many = filled({ maxEntries: 2 }, letters("abcdefgh"), true);
    expect(many.newestBeyond(0).map(({ text }) => text)).toEqual(["e", "f"]);
    const large = filled({ maxBytes: 20 }, ["aaaaaa", "bbbbbb", "cccccc", "dddddd", "eeeeee"], true);
    expect(large.newestBeyond(0).map(({ text }) => text)).toEqual(["bbbbbb", "cccccc"]);
    const old = filled({ maxEntries: 2, maxAgeMs: 50 }, letters("abcd"), true);
    old.trim(51);
    expect(old.newestBeyond(0).map(({ text }) => text)).toEqual(["b"]);
    old.trim(60);
    expect(old.newestBeyond(0)).toEqual([]);
  });
});

describe("a tape", () => {
  test("returns any range of frames as one piece, in the same memory for all", () => {
    const log = filled({}, letters("abc"));
    const tape = log.tape(ndjsonFormat);
    const all = tape.read(0, 3);
    expect(decode(all.bytes)).toBe(
      '{"id":"t=e.1","key":"a","data":"a"}\n{"id":"t=e.2","key":"b","data":"b"}\n{"id":"t=e.3","key":"c","data":"c"}\n',
    );
    const middle = tape.read(1, 2);
    expect([decode(middle.bytes), middle.through]).toEqual(['{"id":"t=e.2","key":"b","data":"b"}\n', 2]);
    expect(middle.bytes.buffer).toBe(all.bytes.buffer);
    expect(log.tape(ndjsonFormat)).toBe(tape);
  });

  test("encodes each message once, in any order, and only if it is read", () => {
    const message = vi.fn(ndjsonFormat.message);
    const format = { ...ndjsonFormat, message };
    const log = filled({}, letters("abcdefghij"));
    const encoded = (): string => message.mock.calls.map(([{ text }]) => text).join("");
    log.tape(format).read(6, 8);
    expect(encoded()).toBe("gh");
    log.tape(format).read(7, 10);
    expect(encoded()).toBe("ghij");
    log.tape(format).read(4, 10);
    expect(encoded()).toBe("ghijef");
    for (let from = 4; from < 10; from += 1) log.tape(format).read(from, 10);
    expect(encoded()).toBe("ghijef");
  });

  test("returns exactly the frames of its messages under any sequence of reads and trims", () => {
    let seed = 7;
    const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
    const log = new Log("t", "e", { bounds: { ...wide, maxEntries: 40 }, keepNewest: false, isDense: true });
    for (let i = 0; i < 3000; i += 1) {
      const length = random(50) === 0 ? 70_000 : random(300);
      log.append(publication((random(5) === 0 ? "ü" : "x").repeat(length)), i, i);
      if (random(3) > 0) continue;
      let cursor = log.floor + random(log.size);
      const limit = cursor + 1 + random(log.head - cursor);
      let text = "";
      let expected = "";
      for (let offset = cursor + 1; offset <= limit; offset += 1) {
        const entry = log.entry(offset);
        expected += ndjsonFormat.message(entry, entry.id);
      }
      while (cursor < limit) {
        const { bytes, through } = log.tape(ndjsonFormat).read(cursor, limit);
        expect(through).toBeGreaterThan(cursor);
        text += decode(bytes);
        cursor = through;
      }
      expect(text === expected).toBe(true);
    }
  });

  test("is small for a small topic", () => {
    expect(filled({}, ["a"]).tape(ndjsonFormat).read(0, 1).bytes.buffer.byteLength).toBeLessThan(1024);
  });

  test("is retained while it is in use, as only the least used of many tapes is evicted", () => {
    const message = vi.fn(ndjsonFormat.message);
    const format = { ...ndjsonFormat, message };
    const log = filled({}, ["a"]);
    for (let i = 0; i < 50; i += 1) {
      log.tape(format).read(0, 1);
      log.tape({ ...ndjsonFormat, frameKey: `other ${i}` }).read(0, 1);
    }
    expect(message).toHaveBeenCalledTimes(1);
  });
});
