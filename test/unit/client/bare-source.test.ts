import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { BareSource, type FollowOptions } from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedWire } from "../../support/scripted-wire.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const address = "http://hub.test/live?topic=a";

/** A source on a scripted wire, whose first connection has opened, and what it has told. */
async function follow(options: Partial<FollowOptions> = {}): Promise<{
  wire: ScriptedWire;
  source: BareSource;
  told: unknown[];
}> {
  const wire = scriptedWire("comet");
  const source = new BareSource(address, { wire, retryMs: 100, maxRetryMs: 800, ...options });
  onTestFinished(() => source.close());
  const told: unknown[] = [];
  source.onmessage = ({ data }) => void told.push(data);
  source.onopen = () => void told.push("open");
  source.onerror = ({ code, retryMs }) => void told.push([code, retryMs]);
  source.onclose = ({ reason }) => void told.push(reason);
  await vi.advanceTimersByTimeAsync(0);
  wire.last.opens();
  return { wire, source, told };
}

const lives = ({ connections }: ScriptedWire): boolean[] => connections.map(({ isLetGo }) => !isLetGo);

test("a connection that is worn is read until another has opened in its place, of which the page hears nothing", async () => {
  const { wire, told } = await follow();
  const [worn] = wire.connections;
  for (let offset = 1; offset <= 5; offset += 1) {
    worn?.message(offset);
    if (offset === 1) worn?.worn();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(lives(wire)).toEqual([true, true]);
  // It was asked for at 1, and opens there: what has come meanwhile is not told twice.
  expect(wire.last.request.position).toBe("a=e.1");
  wire.last.opens(1);
  expect(lives(wire)).toEqual([false, true]);
  for (const offset of [2, 3, 4, 5, 6]) wire.last.message(offset);
  worn?.message(7);
  worn?.worn();
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(["open", 1, 2, 3, 4, 5, 6]);
  expect(wire.connections).toHaveLength(2);
});

test("a connection that is worn goes on if none can be had in its place", async () => {
  const { wire, told } = await follow();
  const [worn] = wire.connections;
  worn?.worn();
  await vi.advanceTimersByTimeAsync(0);
  wire.last.broken({ code: "ERR_NETWORK", detail: "" });
  worn?.message(1);
  expect(lives(wire)).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(800);
  expect(lives(wire)).toEqual([true, false, true]);
  wire.last.opens(1);
  expect(lives(wire)).toEqual([false, false, true]);
  expect(told).toEqual(["open", 1]);
});

test("the place of a worn connection is asked for no sooner than the hub says", async () => {
  const { wire } = await follow();
  const [worn] = wire.connections;
  worn?.worn();
  await vi.advanceTimersByTimeAsync(0);
  wire.last.broken({ code: "ERR_LIMIT", detail: "", status: 503, retryMs: 5000 });
  for (let offset = 1; offset <= 20; offset += 1) {
    worn?.message(offset);
    await vi.advanceTimersByTimeAsync(0);
    const { last } = wire;
    if (last !== worn) last.broken({ code: "ERR_LIMIT", detail: "", status: 503, retryMs: 5000 });
  }
  expect(wire.connections).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect(wire.connections).toHaveLength(3);
});

test("waits become longer with each failure, up to the longest, and short again after a good connection", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  onTestFinished(() => void vi.restoreAllMocks());
  const { wire, told } = await follow();
  for (const waitMs of [50, 100, 200, 400, 400]) {
    wire.last.broken({ code: "ERR_NETWORK", detail: "" });
    expect(told.at(-1)).toEqual(["ERR_NETWORK", waitMs]);
    const before = wire.connections.length;
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(wire.connections).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(wire.connections).toHaveLength(before + 1);
  }
  wire.last.opens();
  await vi.advanceTimersByTimeAsync(10_000);
  wire.last.broken({ code: "ERR_NETWORK", detail: "" });
  expect(told.at(-1)).toEqual(["ERR_NETWORK", 50]);
});

test.each([
  [408, false],
  [425, false],
  [429, false],
  [500, false],
  [503, false],
  [400, true],
  [403, true],
  [404, true],
  [410, true],
])("a status of %s is for good: %s", async (status, isForGood) => {
  const { wire, source, told } = await follow();
  wire.last.broken({ code: "ERR_STATUS", detail: "", status, retryMs: 7 });
  expect(told.includes("error")).toBe(isForGood);
  expect(source.readyState).toBe(isForGood ? 2 : 0);
  await vi.advanceTimersByTimeAsync(1000);
  expect(wire.connections).toHaveLength(isForGood ? 1 : 2);
});

test("a page that closes it in a listener hears nothing more, and no further connection is made", async () => {
  for (const type of ["open", "message", "error"]) {
    const wire = scriptedWire("comet");
    const source = new BareSource(address, { wire, retryMs: 1 });
    const told: string[] = [];
    for (const each of ["open", "message", "error", "close"]) {
      source.addEventListener(each, () => {
        told.push(each);
        if (each === type) source.close();
      });
    }
    await vi.advanceTimersByTimeAsync(0);
    wire.last.opens();
    wire.last.received([
      { id: "a=e.1", data: 1 },
      { id: "a=e.2", data: 2 },
    ]);
    wire.last.broken({ code: "ERR_NETWORK", detail: "" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(told.at(-1)).toBe(type);
    expect(told.filter((each) => each === type)).toHaveLength(1);
    expect([source.readyState, lives(wire)]).toEqual([2, [false]]);
  }
});

test("a gap may have members of a later version", async () => {
  const { wire, source, told } = await follow();
  const gaps: unknown[] = [];
  source.ongap = ({ topic, missed }) => void gaps.push([topic, missed]);
  wire.last.received([{ gap: { topic: "a", missed: 2, position: "a=e.2", later: 1 } as never }]);
  wire.last.message(3);
  expect([gaps, told]).toEqual([[["a", 2]], ["open", 3]]);
});

test("a gap may have members of a later version that an Event has, too", async () => {
  const { wire, told } = await follow();
  wire.last.received([{ gap: { topic: "a", missed: 2, position: "a=e.2", type: "policy" } as never }]);
  wire.last.message(3);
  expect(told).toEqual(["open", 3]);
});

test("an item with data is a message, even if it has the members of a gap or an end", async () => {
  const { wire, told } = await follow();
  wire.last.received([
    { id: "a=e.1", data: 1, gap: { topic: "a", missed: 1, position: "a=e.9" } },
    { id: "a=e.2", data: 2, end: { reason: "gone", position: "a=e.9", retryMs: null } },
  ]);
  expect(told).toEqual(["open", 1, 2]);
});

test("an item with data is a message, even if it has the members of an opening or an error", async () => {
  const { wire, told } = await follow();
  wire.last.received([
    { id: "a=e.1", data: 1, open: { states: { a: "fresh" }, position: "a=e.9", heartbeatMs: 0 } },
    { id: "a=e.2", data: 2, error: { code: "ERR_FORBIDDEN", detail: "", status: 403 } },
  ]);
  expect(told).toEqual(["open", 1, 2]);
});
