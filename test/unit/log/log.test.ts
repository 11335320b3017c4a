import { describe, expect, test, vi } from "vitest";
import { heldBytes, type LogBounds, type Publication } from "../../../src/log/entry.ts";
import { Log } from "../../../src/log/log.ts";
import { LOG_OVERHEAD, LogMemory } from "../../../src/log/log-memory.ts";
import { plainCometFormat } from "../../../src/wire/comet-format.ts";
import type { Format } from "../../../src/wire/format.ts";
import { ndjsonFormat } from "../../../src/wire/ndjson-format.ts";

const letters = (text: string): string[] => text.split("");

/** The memory of logs whose memory is not what a test is about. */
const memory = new LogMemory(Infinity);

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
  const log = new Log("t", "e", { bounds: { ...wide, ...bounds }, keepNewest, isDense: true, memory });
  texts.forEach((text, i) => log.append(publication(text, { key: text.slice(0, 1) }), i, i));
  return log;
}

const held = (log: Log): (string | undefined)[] =>
  Array.from({ length: log.size }, (_, i) => log.entry(log.floor + 1 + i).text);

const decode = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("a log", () => {
  test("numbers its messages from 1, and returns the position of each", () => {
    const log = new Log("a b", "e1", { bounds: wide, keepNewest: false, isDense: true, memory });
    expect(log.position(0)).toBe("a%20b=e1.0");
    expect(log.append(publication("x"), 1, 0)).toMatchObject({ offset: 1, id: "a%20b=e1.1", bytes: 3 });
    expect(log.append(publication("ä"), 2, 0)).toMatchObject({ offset: 2, id: "a%20b=e1.2", bytes: 4 });
    expect([log.head, log.floor, log.size, log.bytesAfter(0), log.bytesAfter(1)]).toEqual([2, 0, 2, 7, 4]);
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
    expect([log.size, log.bytesAfter(0), log.head]).toEqual([0, 0, 8]);
  });

  test("grows beyond the initial size of its ring, from any start", () => {
    for (let drop = 0; drop < 20; drop += 1) {
      const log = new Log("t", "e", {
        bounds: { ...wide, maxEntries: 64, maxAgeMs: 10 },
        keepNewest: false,
        isDense: true,
        memory,
      });
      for (let i = 0; i < drop; i += 1) log.append(publication(String(i)), i, 0);
      log.trim(11);
      for (let i = 0; i < 70; i += 1) log.append(publication(`n${i}`), i, 20);
      expect(held(log)).toEqual(Array.from({ length: 64 }, (_, i) => `n${i + 6}`));
    }
  });

  test("finds a message by its message id while it holds it", () => {
    const log = new Log("t", "e", { bounds: { ...wide, maxEntries: 2 }, keepNewest: false, isDense: true, memory });
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
    const all = log.read(ndjsonFormat, 0, 3);
    expect(decode(all.bytes)).toBe(
      '{"id":"t=e.1","key":"a","data":"a"}\n{"id":"t=e.2","key":"b","data":"b"}\n{"id":"t=e.3","key":"c","data":"c"}\n',
    );
    const middle = log.read(ndjsonFormat, 1, 2);
    expect([decode(middle.bytes), middle.through]).toEqual(['{"id":"t=e.2","key":"b","data":"b"}\n', 2]);
    expect(middle.bytes.buffer).toBe(all.bytes.buffer);
  });

  test("encodes each message once, in any order, and only if it is read", () => {
    const message = vi.fn(ndjsonFormat.message);
    const format = { ...ndjsonFormat, message };
    const log = filled({}, letters("abcdefghij"));
    const encoded = (): string => message.mock.calls.map(([{ text }]) => text).join("");
    log.read(format, 6, 8);
    expect(encoded()).toBe("gh");
    expect(log.read(format, 7, 10).through).toBe(10);
    expect(encoded()).toBe("ghij");
    log.read(format, 4, 10);
    expect(encoded()).toBe("ghijef");
    for (let from = 4; from < 10; from += 1) log.read(format, from, 10);
    expect(encoded()).toBe("ghijef");
  });

  test("returns exactly the frames of its messages under any sequence of reads and trims", () => {
    let seed = 7;
    const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
    const log = new Log("t", "e", { bounds: { ...wide, maxEntries: 40 }, keepNewest: false, isDense: true, memory });
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
        const { bytes, through } = log.read(ndjsonFormat, cursor, limit);
        expect(through).toBeGreaterThan(cursor);
        text += decode(bytes);
        cursor = through;
      }
      expect(text === expected).toBe(true);
    }
  });

  test("is small for a small topic", () => {
    expect(filled({}, ["a"]).read(ndjsonFormat, 0, 1).bytes.buffer.byteLength).toBeLessThan(1024);
  });

  test("serves all callbacks of plain comet, and copies one block at most for each read", () => {
    const escapes = vi.spyOn(JSON, "stringify");
    const log = filled(
      { maxEntries: 5000, maxBytes: 10_000_000 },
      Array.from({ length: 3000 }, (_, i) => `it's ${i} ${"x".repeat(100)}`),
    );
    const before = memory.bytes;
    const [one, ...others] = Array.from({ length: 50 }, (_, i) => plainCometFormat(`comet${i}`, undefined));
    const message = vi.fn(one?.message);
    const read = (format: Format): string[] => {
      let [cursor, text] = [0, ""];
      while (cursor < log.head) {
        const { bytes, through } = log.read(format, cursor, log.head);
        expect(bytes.length).toBeLessThanOrEqual(65_536);
        expect(bytes.length === bytes.buffer.byteLength).toBe(true);
        text += decode(bytes);
        cursor = through;
      }
      return text.split("\n").slice(0, -1);
    };
    const frames = (callback: string): string[] =>
      Array.from({ length: 3000 }, (_, i) => `<script>${callback}('it\\'s ${i} ${"x".repeat(100)}');</script>`);
    expect(read({ ...(one as Format), message })).toEqual(frames("comet0"));
    const held = memory.bytes;
    escapes.mockClear();
    for (const [i, format] of others.entries()) expect(read(format)).toEqual(frames(`comet${i + 1}`));
    // The message that no longer fits into a block is encoded again, for the next one.
    expect(message.mock.calls.length).toBeLessThanOrEqual(3000 + 3000 / 200);
    expect(escapes).not.toHaveBeenCalled();
    expect(memory.bytes).toBe(held);
    expect(held - before).toBeLessThan(3000 * 200);
  });

  test("encodes one block for each read, wherever the reader is", () => {
    const message = vi.fn(ndjsonFormat.message);
    const format = { ...ndjsonFormat, message };
    const log = filled(
      { maxEntries: 5000, maxBytes: 10_000_000 },
      Array.from({ length: 4000 }, () => "x".repeat(1000)),
    );
    for (const from of [3000, 0, 2000, 3990, 17]) {
      message.mockClear();
      const { through } = log.read(format, from, log.head);
      expect(through).toBeGreaterThan(from);
      expect(message.mock.calls.length).toBeLessThan(70);
    }
  });
});

describe("the memory of logs", () => {
  const size = heldBytes(publication("x".repeat(1000)));
  const holding = (messages: number): { memory: LogMemory; logs: Log[] } => {
    const shared = new LogMemory(size * messages + 2 * LOG_OVERHEAD);
    const logs = letters("abc").map(
      (topic) => new Log(topic, "e", { bounds: wide, keepNewest: topic === "c", isDense: true, memory: shared }),
    );
    return { memory: shared, logs };
  };
  const fill = (log: Log | undefined, at: number, more: Partial<Publication> = {}): void => {
    log?.append(publication("x".repeat(1000), more), at, at);
  };

  test("drops the messages that were published longest ago, from any log, once it is full", () => {
    const { memory: shared, logs } = holding(10);
    const [a, b] = logs;
    for (let at = 0; at < 4; at += 1) fill(a, at);
    for (let at = 4; at < 8; at += 1) fill(b, at);
    for (let at = 8; at < 10; at += 1) fill(a, at);
    shared.enforce();
    expect([a?.floor, b?.floor, shared.entries, shared.bytes]).toEqual([0, 0, 10, size * 10 + 2 * LOG_OVERHEAD]);
    for (let at = 10; at < 16; at += 1) {
      fill(b, at);
      shared.enforce();
    }
    expect([a?.floor, b?.floor, shared.entries, shared.bytes]).toEqual([4, 2, 10, size * 10 + 2 * LOG_OVERHEAD]);
    a?.clear();
    b?.clear();
    expect([shared.entries, shared.bytes]).toEqual([0, 0]);
  });

  test("drops tapes first, in the order of their use, and never a message for a tape", () => {
    const { memory: shared, logs } = holding(11);
    const [a, b] = logs;
    for (let at = 0; at < 4; at += 1) fill(a, at);
    for (let at = 4; at < 8; at += 1) fill(b, at);
    const format = (key: string): Format => ({ ...ndjsonFormat, frameKey: key });
    const isKept = (log: Log | undefined, key: string): boolean => {
      const message = vi.fn(ndjsonFormat.message);
      const tapes = shared.bytes;
      const { bytes } = (log as Log).read({ ...format(key), message }, 1, 2);
      expect(decode(bytes)).toContain("x".repeat(1000));
      return message.mock.calls.length === 0 && shared.bytes === tapes;
    };
    a?.read(format("first"), 1, 2);
    b?.read(format("second"), 1, 2);
    a?.read(format("first"), 1, 2);
    // Each takes about 1.5 kilobytes, and there is room for four.
    for (const key of ["third", "fourth", "fifth"]) b?.read(format(key), 1, 2);
    expect([isKept(b, "fifth"), isKept(b, "second")]).toEqual([true, false]);
    for (let at = 8; at < 11; at += 1) {
      fill(a, at);
      shared.enforce();
    }
    expect([a?.floor, b?.floor, shared.entries]).toEqual([0, 0, 11]);
    expect(shared.bytes).toBe(size * 11 + 2 * LOG_OVERHEAD);
    // Without room, a tape serves its reader and is dropped.
    for (let i = 0; i < 3; i += 1) expect(isKept(b, "fourth")).toBe(false);
    expect([a?.floor, b?.floor, shared.bytes]).toEqual([0, 0, size * 11 + 2 * LOG_OVERHEAD]);
  });

  test("counts the newest messages of their keys, and drops them when they are the oldest", () => {
    const { memory: shared, logs } = holding(110);
    const [a, , c] = logs;
    for (let at = 0; at < 150; at += 1) fill(c, at, { key: at < 20 ? `rare ${at}` : "often" });
    expect([c?.size, c?.newestBeyond(0).length, shared.entries]).toEqual([100, 20, 120]);
    for (let at = 150; at < 160; at += 1) {
      fill(a, at);
      shared.enforce();
    }
    expect(shared.bytes).toBeLessThanOrEqual(size * 110 + 2 * LOG_OVERHEAD);
    expect([c?.newestBeyond(0).length, a?.size]).toEqual([0, 10]);
    c?.clear();
    a?.clear();
    expect([shared.entries, shared.bytes]).toEqual([0, 0]);
  });

  test("keeps a single message that is larger than all of it", () => {
    const { memory: shared, logs } = holding(-1);
    const [a, b] = logs;
    fill(a, 0);
    shared.enforce();
    fill(b, 1);
    shared.enforce();
    expect([a?.size, b?.size]).toEqual([0, 1]);
  });

  test("frees what many logs that come and go have held", () => {
    const shared = new LogMemory((size + LOG_OVERHEAD) * 5);
    for (let at = 0; at < 1000; at += 1) {
      const log = new Log(`t${at}`, "e", { bounds: wide, keepNewest: false, isDense: true, memory: shared });
      fill(log, at);
      if (at % 3 > 0) log.clear();
      shared.enforce();
    }
    expect([shared.entries, shared.bytes]).toEqual([5, (size + LOG_OVERHEAD) * 5]);
  });
});
