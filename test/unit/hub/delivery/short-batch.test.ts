import { describe, expect, test } from "vitest";
import { readBatch } from "../../../../src/hub/delivery/batch.ts";
import { Cursors } from "../../../../src/hub/delivery/cursors.ts";
import { readShort } from "../../../../src/hub/delivery/short-batch.ts";
import { endPublication } from "../../../../src/log/entry.ts";
import { Log } from "../../../../src/log/log.ts";
import { LogMemory } from "../../../../src/log/log-memory.ts";
import { inChunks } from "../../../../src/wire/chunked-coding.ts";
import { plainCometFormat } from "../../../../src/wire/comet-format.ts";
import type { Format } from "../../../../src/wire/format.ts";
import { ndjsonFormat } from "../../../../src/wire/ndjson-format.ts";
import { managedSseFormat, sseFormat } from "../../../../src/wire/sse-format.ts";

const bounds = { maxEntries: 100, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };

function logWith(texts: readonly string[], isDense = true): Log {
  const log = new Log("t", "e", { bounds, keepNewest: false, isDense, memory: new LogMemory(Infinity) });
  for (const [i, text] of texts.entries()) {
    const json = JSON.stringify(text);
    const optional = { event: undefined, key: undefined, messageId: undefined };
    log.append(
      { json, text, ...optional, bytes: Buffer.byteLength(json) },
      i,
      i,
      i,
      (log.headOffset + 1) * (isDense ? 1 : 3),
    );
  }
  return log;
}

const plain: readonly Format[] = [sseFormat(() => 1000), managedSseFormat, ndjsonFormat];
const formats = [...plain, ...plain.map(inChunks)].map((format) => [format.key, format] as const);

describe("a short batch", () => {
  test.each(formats)("of %s has the bytes and the place of any other", (_, format) => {
    for (const isDense of [true, false]) {
      for (const texts of [["a"], ["x".repeat(1000)], ["ä", "\u2028", "\u{1f600}"], ["", "line\nline"]]) {
        const log = logWith(["before", ...texts], isDense);
        const [short, whole] = [Cursors.at([log], [1]), Cursors.at([log], [1])];
        const batch = readShort(format, log, short);
        expect(batch).toEqual(readBatch(format, [log], whole, [log.head]));
        expect(batch?.messages).toBe(texts.length);
        expect([short.indexes, short.position]).toEqual([whole.indexes, whole.position]);
      }
    }
  });

  test.each(formats)("of %s has the end of a topic", (_, format) => {
    const log = logWith(["last"]);
    log.append(endPublication({ topic: "t", outcome: "complete" }), 5, 5);
    const [short, whole] = [Cursors.at([log], [0]), Cursors.at([log], [0])];
    expect(readShort(format, log, short)).toEqual(readBatch(format, [log], whole, [2]));
  });

  test("is not read of many or long messages, or in a format with a wrapper", () => {
    const read = (texts: readonly string[], format = ndjsonFormat): unknown => {
      const log = logWith(texts);
      return readShort(format, log, Cursors.at([log], [0]));
    };
    expect(read(["1", "2", "3", "4"])).toBeDefined();
    expect(read(["1", "2", "3", "4", "5"])).toBeUndefined();
    expect(read(["x".repeat(1022)])).toBeDefined();
    expect(read(["x".repeat(1023)])).toBeUndefined();
    expect(read(["1"], plainCometFormat("f", undefined))).toBeUndefined();
  });
});
