import { describe, expect, test } from "vitest";
import { resumePoint, type ResumePoint } from "../../../../src/hub/delivery/resume-point.ts";
import type { OverflowPolicy } from "../../../../src/index.ts";
import { Log } from "../../../../src/log/log.ts";
import { LogMemory } from "../../../../src/log/log-memory.ts";
import type { Start } from "../../../../src/log/start.ts";
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

describe("from last:N and since:TIME", () => {
  interface LogPlan {
    readonly held: number;
    /** The offset of a broker after which the log begins, if there is one. */
    readonly offset?: number;
    readonly isDense?: boolean;
  }

  /** A log with a message of each of these keys, at the times 10, 20, 30 ... */
  function timedLog(keys: string, { held, offset, isDense = true }: LogPlan): Log {
    const bounds = { maxEntries: held, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };
    const log = new Log("t", "e", { bounds, keepNewest: true, isDense, memory: new LogMemory(Infinity) });
    if (offset !== undefined) log.restart("f", offset, 5);
    for (const [i, key] of keys.split("").entries()) {
      const message = { json: "1", text: undefined, event: undefined, key, messageId: undefined, bytes: 1 };
      log.append(message, i + 1, (i + 1) * 10, (i + 1) * 10, (offset ?? 0) + i + 1);
    }
    return log;
  }
  const fresh = (cursor: number): ResumePoint => ({ state: "fresh", cursor, missed: undefined });
  const gap = (cursor: number, missed: number | null): ResumePoint => ({ state: "gap", cursor, missed });

  test.each<[string, Log, Start, OverflowPolicy, ResumePoint]>([
    ["begins before the last", timedLog("abcde", { held: 9 }), { last: 2 }, "resume", fresh(3)],
    ["begins before the last with skip", timedLog("abcde", { held: 9 }), { last: 2 }, "skip", fresh(3)],
    ["takes all of a topic that has fewer", timedLog("abcde", { held: 9 }), { last: 50 }, "resume", fresh(0)],
    ["begins an empty topic", timedLog("", { held: 9 }), { last: 50 }, "resume", fresh(0)],
    ["takes as many as the log holds", timedLog("abcde", { held: 2 }), { last: 2 }, "resume", fresh(3)],
    ["counts what is missing of the last", timedLog("abcde", { held: 2 }), { last: 4 }, "resume", gap(3, 2)],
    ["counts no more than there were", timedLog("abcde", { held: 2 }), { last: 50 }, "skip", gap(3, 3)],
    ["finds what latest has kept", timedLog("xxabc", { held: 2 }), { last: 4 }, "latest", fresh(1)],
    ["counts what is stale under latest", timedLog("xabbc", { held: 2 }), { last: 4 }, "latest", gap(1, 1)],
    ["counts what latest has dropped", timedLog("aabbc", { held: 1 }), { last: 4 }, "latest", gap(1, 2)],
    ["counts what a broker has trimmed", timedLog("abc", { held: 9, offset: 100 }), { last: 7 }, "resume", gap(100, 4)],
    ["begins a whole replica", timedLog("abc", { held: 9, offset: 0 }), { last: 7 }, "resume", fresh(0)],
    [
      "counts what it had, where offsets do not count",
      timedLog("abcdef", { held: 2, offset: 100, isDense: false }),
      { last: 4 },
      "resume",
      gap(5, 2),
    ],
    [
      "does not count what it never had, where offsets do not count",
      timedLog("abcdef", { held: 2, offset: 100, isDense: false }),
      { last: 7 },
      "resume",
      gap(5, null),
    ],
    [
      "begins where the log can name the position, where offsets do not count, with latest",
      timedLog("abcdef", { held: 2, offset: 100, isDense: false }),
      { last: 4 },
      "latest",
      gap(5, 2),
    ],
    ["begins at a time", timedLog("abcde", { held: 9 }), { since: 25 }, "resume", fresh(2)],
    ["begins before all", timedLog("abcde", { held: 9 }), { since: -100 }, "resume", fresh(0)],
    ["begins at the newest", timedLog("abcde", { held: 9 }), { since: 51 }, "resume", fresh(5)],
    ["begins an empty topic at a time", timedLog("", { held: 9 }), { since: 5 }, "resume", fresh(0)],
    ["knows that all since a time are held", timedLog("abcde", { held: 2 }), { since: 31 }, "resume", fresh(3)],
    ["says that some since a time are missing", timedLog("abcde", { held: 2 }), { since: 30 }, "resume", gap(3, null)],
    ["says so with skip", timedLog("abcde", { held: 2 }), { since: -100 }, "skip", gap(3, null)],
    ["begins with what latest has kept", timedLog("abxde", { held: 2 }), { since: 15 }, "latest", gap(1, null)],
    [
      "begins at the floor if latest has kept none",
      timedLog("dddde", { held: 2 }),
      { since: 15 },
      "latest",
      gap(3, null),
    ],
    [
      "says that a broker may have trimmed some",
      timedLog("abc", { held: 9, offset: 100 }),
      { since: 5 },
      "resume",
      gap(100, null),
    ],
    [
      "knows that a broker has trimmed none",
      timedLog("abc", { held: 9, offset: 100 }),
      { since: 6 },
      "resume",
      fresh(100),
    ],
  ])("%s", (_, log, start, policy, point) => {
    expect(resumePoint(log, undefined, start, policy, log.head)).toEqual(point);
  });

  test.each<Start>([{ last: 1 }, { since: 10 }])("is nothing to a client with a position: %j", (start) => {
    const log = timedLog("abcde", { held: 9 });
    const point = resumePoint(log, { epoch: "e", offset: 2 }, start, "resume", log.head);
    expect(point).toEqual({ state: "recovered", cursor: 2, missed: undefined });
  });
});
