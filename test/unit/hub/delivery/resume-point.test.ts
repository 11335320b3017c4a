import { describe, expect, test } from "vitest";
import { resumePoint, type ResumePoint } from "../../../../src/hub/delivery/resume-point.ts";
import type { OverflowPolicy } from "../../../../src/index.ts";
import { Log } from "../../../../src/log/log.ts";
import { LogMemory } from "../../../../src/log/log-memory.ts";
import { followHub, notedHub } from "../../../support/hub.ts";

/** A log of a broker whose offsets have holes, which begins after offset 100 and holds the newest two of five messages. */
function replica(isDense: boolean): Log {
  const bounds = { maxEntries: 2, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };
  const log = new Log("t", "", { bounds, keepNewest: true, isDense, memory: new LogMemory(Infinity) });
  log.restart("e", 100, 0);
  for (let i = 1; i <= 5; i += 1) {
    const message = { json: "1", text: undefined, event: undefined, key: `k${i}`, messageId: undefined, bytes: 1 };
    log.append(message, i, 0, 0, 100 + i);
  }
  return log;
}

test.each(["resume", "skip", "latest"] as const)(
  "opens with an uncounted gap where offsets do not count messages, under the policy %s",
  (policy) => {
    const log = replica(false);
    expect(resumePoint(log, { epoch: "e", offset: 50 }, "newest", policy, log.head)).toMatchObject({
      state: "gap",
      missed: null,
    });
  },
);

test("counts the messages before a replica began where offsets are dense", () => {
  const log = replica(true);
  const point = resumePoint(log, { epoch: "e", offset: 50 }, "newest", "resume", log.head);
  expect(point).toEqual({ state: "gap", cursor: log.floor, missed: 53 });
});

describe("from the oldest message", () => {
  /** A log with messages of these keys, which begins after an offset of a broker and holds the newest `held`. */
  function logOf(keys: readonly string[], held: number, options: { offset?: number; isDense?: boolean } = {}): Log {
    const { offset = 0, isDense = true } = options;
    const bounds = { maxEntries: held, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };
    const log = new Log("t", "e", { bounds, keepNewest: true, isDense, memory: new LogMemory(Infinity) });
    if (options.offset !== undefined) log.restart("f", offset, 0);
    for (const [i, key] of keys.entries()) {
      const message = { json: "1", text: undefined, event: undefined, key, messageId: undefined, bytes: 1 };
      log.append(message, i + 1, 0, 0, offset + i + 1);
    }
    return log;
  }
  const keys = ["a", "b", "a", "c", "c"];

  test.each<[string, Log, OverflowPolicy, ResumePoint]>([
    ["opens fresh on a whole log", logOf(keys, 9), "resume", { state: "fresh", cursor: 0, missed: undefined }],
    ["opens fresh on an empty log", logOf([], 9), "skip", { state: "fresh", cursor: 0, missed: undefined }],
    ["counts what the log has trimmed", logOf(keys, 2), "resume", { state: "gap", cursor: 3, missed: 3 }],
    ["begins at the oldest with skip", logOf(keys, 2), "skip", { state: "gap", cursor: 3, missed: 3 }],
    [
      "counts what latest has not kept",
      logOf(["a", "a", "b", "c", "c"], 2),
      "latest",
      { state: "gap", cursor: 0, missed: 1 },
    ],
    [
      "opens fresh where latest has kept all",
      logOf(["a", "b", "c", "d"], 2),
      "latest",
      { state: "fresh", cursor: 0, missed: undefined },
    ],
    [
      "counts what a broker has trimmed",
      logOf(keys, 9, { offset: 100 }),
      "resume",
      { state: "gap", cursor: 100, missed: 100 },
    ],
    [
      "opens fresh where a broker has trimmed nothing",
      logOf(keys, 9, { offset: 0 }),
      "resume",
      { state: "fresh", cursor: 0, missed: undefined },
    ],
    [
      "does not count where offsets do not",
      logOf(keys, 9, { offset: 100, isDense: false }),
      "resume",
      { state: "gap", cursor: 1, missed: null },
    ],
    [
      "opens fresh where offsets do not count, but begin at 0",
      logOf(keys, 9, { offset: 0, isDense: false }),
      "resume",
      { state: "fresh", cursor: 1, missed: undefined },
    ],
  ])("%s", (_, log, policy, point) => {
    expect(resumePoint(log, undefined, "oldest", policy, log.head)).toEqual(point);
  });

  test("counts nothing in a log that has lost messages to a hole", () => {
    const log = logOf(keys, 9);
    log.restart("g", 7, 0);
    expect(resumePoint(log, undefined, "oldest", "resume", log.head)).toMatchObject({ state: "gap", missed: null });
    log.restart("h", 0, 0);
    expect(resumePoint(log, undefined, "oldest", "resume", log.head)).toMatchObject({ state: "fresh" });
  });

  test.each(["resume", "skip", "latest"] as const)(
    "opens with a gap of unknown size after an unreadable position, under the policy %s",
    (policy) => {
      const log = logOf(keys, 9);
      const point = resumePoint(log, "unreadable", "newest", policy, log.head);
      expect(point).toMatchObject({ state: "gap", missed: null });
    },
  );

  test.each(["resume", "skip"] as const)(
    "reports the trimmed messages to a client, and then sends the others, under the policy %s",
    async (overflow) => {
      const { hub } = notedHub({ log: { maxEntries: 3 }, overflow });
      for (let i = 1; i <= 10; i += 1) await hub.topic("a").publish(i);
      const follower = await (await followHub(hub, "topic=a&from=oldest&wire=ndjson")).has(3);
      expect(follower.open.states).toEqual({ a: "gap" });
      expect(follower.items[1]).toMatchObject({ type: "gap", topic: "a", missed: 7 });
      expect(follower.data).toEqual([8, 9, 10]);
      expect(hub.stats().skipped).toBe(7);
      const fresh = await (await followHub(hub, "topic=a&wire=ndjson")).begun();
      expect(fresh.open.states).toEqual({ a: "fresh" });
    },
  );

  test("sends the newest message of each key under the policy latest, and counts each of the others once", async () => {
    const { hub } = notedHub({ log: { maxEntries: 3 }, overflow: "latest" });
    for (let i = 1; i <= 10; i += 1) await hub.topic("a").publish(i, { key: i % 2 === 0 ? "even" : `odd ${i}` });
    const follower = await (await followHub(hub, "topic=a&from=oldest&wire=ndjson")).has(4);
    const gaps = follower.items.flatMap((item) => (item.type === "gap" ? [item.missed ?? NaN] : []));
    const total = gaps.reduce((sum, missed) => sum + missed, 0);
    expect(total + follower.data.length).toBe(10);
    expect(follower.data.at(-1)).toBe(10);
    expect(follower.open.states).toEqual({ a: "gap" });
  });
});
