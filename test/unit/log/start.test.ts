import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { now } from "../../../src/core/clock.ts";
import type { Publication } from "../../../src/log/entry.ts";
import { Log } from "../../../src/log/log.ts";
import { LogMemory } from "../../../src/log/log-memory.ts";
import { isStart, parseStart, startIndex, type Start } from "../../../src/log/start.ts";
import { expectCode } from "../../support/sources.ts";

const noon = Date.UTC(2026, 10, 28, 12);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: noon });
});
afterEach(() => vi.useRealTimers());

/** The time of a start in milliseconds since 1970. */
function timeOf(start: Start): number {
  if (typeof start === "string" || !("since" in start)) return NaN;
  return Date.now() - (now() - start.since) + 1;
}

describe("the parser of a start", () => {
  test.each<[string, Start]>([
    ["newest", "newest"],
    ["oldest", "oldest"],
    ["last:1", { last: 1 }],
    ["last:50", { last: 50 }],
    ["last:16777216", { last: 16_777_216 }],
  ])("takes %s", (text, start) => {
    expect(parseStart(text, "ERR_PARAMETER")).toEqual(start);
  });

  test.each<[string, number]>([
    ["2026-11-28T12:00:00Z", noon],
    ["2026-11-28t12:00:00z", noon],
    ["2026-11-28T12:00:00.5Z", noon + 500],
    ["2026-11-28T12:00:00.123456789Z", noon + 123],
    ["2026-11-28T14:30:00+02:30", noon],
    ["2026-11-28T07:00:00-05:00", noon],
    ["2026-11-28T13:00:00 01:00", noon],
    ["2026-11-29T01:00:00+13:00", noon],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2016-12-31T23:59:60Z", Date.UTC(2017, 0, 1)],
    ["0050-01-01T00:00:00Z", Date.parse("0050-01-01T00:00:00Z")],
    ["9999-12-31T23:59:59Z", Date.parse("9999-12-31T23:59:59Z")],
    [String(noon), noon],
    ["100000000000", 100_000_000_000],
  ])("takes since:%s", (text, time) => {
    expect(timeOf(parseStart(`since:${text}`, "ERR_PARAMETER"))).toBeCloseTo(time, 0);
  });

  test("converts a time by the clocks of the moment, whatever the wall clock showed before", () => {
    vi.advanceTimersByTime(1000);
    const published = now();
    vi.advanceTimersByTime(1000);
    vi.setSystemTime(noon + 3_600_000);
    const { since } = parseStart(`since:${noon + 3_599_000}`, "ERR_PARAMETER") as { since: number };
    expect(since).toBeCloseTo(published - 1);
  });

  test.each([
    "",
    "Newest",
    "newest ",
    "latest",
    "last",
    "last:",
    "last:0",
    "last:-1",
    "last:01",
    "last:1.5",
    "last:1e3",
    "last: 1",
    "last:١",
    "last:16777217",
    "last:99999999999999999999",
    "since",
    "since:",
    "since:now",
    "since:1764331200",
    "since:-1764331200000",
    "since:1764331200000.5",
    "since:17643312000000000",
    "since:9999999999999999",
    "since:2026-11-28",
    "since:2026-11-28T12:00:00",
    "since:2026-11-28T12:00Z",
    "since:2026-11-28 12:00:00Z",
    "since:2026-02-29T12:00:00Z",
    "since:2026-13-01T12:00:00Z",
    "since:2026-00-01T12:00:00Z",
    "since:2026-11-31T12:00:00Z",
    "since:2026-11-28T24:00:00Z",
    "since:2026-11-28T12:60:00Z",
    "since:2026-11-28T12:00:61Z",
    "since:2026-11-28T12:00:00+24:00",
    "since:2026-11-28T12:00:00+01:60",
    "since:2026-11-28T12:00:00+0100",
    "since:+12026-11-28T12:00:00Z",
    "since:Sat, 28 Nov 2026 12:00:00 GMT",
    "since:2026-11-28T12:00:00Z,last:1",
  ])("rejects %j", async (text) => {
    await expectCode("ERR_PARAMETER", () => parseStart(text, "ERR_PARAMETER"), /from/);
  });

  test("tells a start from a position", () => {
    expect(["newest", "oldest", "last:x", "since:"].map(isStart)).toEqual([true, true, true, true]);
    expect(["newest=e.1", "oldestx=e.1", "last%3A1=e.1", "a=e.1", ""].some(isStart)).toBe(false);
  });
});

describe("the place of a start in a log", () => {
  const message: Publication = {
    json: "1",
    text: undefined,
    event: undefined,
    key: undefined,
    messageId: undefined,
    bytes: 1,
  };
  const log = (held: number, isDense = true): Log => {
    const bounds = { maxEntries: held, maxBytes: 1_000_000, maxAgeMs: 1_000_000 };
    return new Log("t", "e", { bounds, keepNewest: false, isDense, memory: new LogMemory(Infinity) });
  };
  /** A log with a message at each of these times, which holds the newest ones. */
  const filled = (held: number, times: readonly number[]): Log => {
    const some = log(held);
    for (const [i, at] of times.entries()) some.append(message, i, at);
    return some;
  };
  const ten = [10, 20, 30, 30, 30, 60, 70, 80, 90, 100];

  test.each([
    [1, 9],
    [4, 6],
    [5, 5],
    [10, 0],
    [11, 0],
    [16_777_216, 0],
  ])("counts back %i messages from the head", (last, index) => {
    expect(startIndex(filled(10, ten), { last }, 10)).toBe(index);
    expect(startIndex(filled(3, ten), { last }, 10)).toBe(index);
  });

  test("does not count the end of a topic as a message", () => {
    const some = filled(10, ten);
    some.append({ ...message, ended: { topic: "t", outcome: "complete" } }, 11, 110);
    expect(startIndex(some, { last: 3 }, 11)).toBe(7);
    expect(startIndex(some, { last: 20 }, 11)).toBe(0);
  });

  test.each([
    [-5, 0],
    [10, 0],
    [11, 1],
    [30, 2],
    [31, 5],
    [100, 9],
    [101, 10],
    [5000, 10],
  ])("finds the messages since %i", (since, index) => {
    expect(startIndex(filled(10, ten), { since }, 10)).toBe(index);
  });

  test("knows that nothing is missing where all that the log has dropped is older", () => {
    const some = filled(5, ten);
    expect([30, 31, 60, 61].map((since) => startIndex(some, { since }, 10))).toEqual([undefined, 5, 5, 6]);
    some.clear();
    expect([100, 101].map((since) => startIndex(some, { since }, 10))).toEqual([undefined, 10]);
  });

  test("takes the messages that a hole has lost to be as young as they may be", () => {
    const some = log(10);
    some.restart("e", 100, 50);
    expect([50, 51].map((since) => startIndex(some, { since }, 100))).toEqual([undefined, 100]);
    some.append(message, 1, 60, 40);
    expect([40, 41].map((since) => startIndex(some, { since }, 101))).toEqual([undefined, 101]);
    some.append(message, 2, 60, 45);
    expect([40, 41].map((since) => startIndex(some, { since }, 102))).toEqual([undefined, 101]);
    some.restart("f", 0, 70);
    expect([70, 71].map((since) => startIndex(some, { since }, some.head))).toEqual([undefined, some.head]);
  });

  test("knows that a first epoch has lost nothing before its first message", () => {
    const some = log(10);
    some.restart("e", 0, 50);
    some.append(message, 1, 60);
    expect(startIndex(some, { since: -1000 }, 1)).toBe(0);
  });

  test("keeps messages in the order of their times, whatever clocks say", () => {
    const some = log(10);
    for (const [i, at] of [10, 30, 20, 40].entries()) some.append(message, i, 50, at);
    expect([1, 2, 3, 4].map((index) => some.entry(index).at)).toEqual([10, 30, 30, 40]);
    expect(startIndex(some, { since: 25 }, 4)).toBe(1);
  });
});
