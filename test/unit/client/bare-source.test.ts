import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { BareSource, type FollowOptions } from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedWire } from "../../support/scripted-wire.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const address = "http://hub.test/live?topic=a";

/** A source on a scripted wire, whose first connection has opened, and its events. */
async function follow(options: Partial<FollowOptions> = {}): Promise<{
  wire: ScriptedWire;
  source: BareSource;
  events: unknown[];
}> {
  const wire = scriptedWire("comet");
  const source = new BareSource(address, { wire, backoffMs: 100, maxBackoffMs: 800, ...options });
  onTestFinished(() => source.close());
  const events: unknown[] = [];
  source.onmessage = ({ data }) => void events.push(data);
  source.onopen = () => void events.push("open");
  source.onerror = ({ code, retryMs }) => void events.push([code, retryMs]);
  source.onclose = ({ reason }) => void events.push(reason);
  await vi.advanceTimersByTimeAsync(0);
  wire.last.opens();
  return { wire, source, events };
}

const areOpen = ({ connections }: ScriptedWire): boolean[] => connections.map(({ isClosed }) => !isClosed);

test("reads an expiring connection until the next has opened, and dispatches no event for it", async () => {
  const { wire, events } = await follow();
  const [first] = wire.connections;
  for (let offset = 1; offset <= 5; offset += 1) {
    first?.message(offset);
    if (offset === 1) first?.expiring();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(areOpen(wire)).toEqual([true, true]);
  // It was requested at 1 and opens there: messages that arrived meanwhile are not dispatched twice.
  expect(wire.last.request.position).toBe("a=e.1");
  wire.last.opens(1);
  expect(areOpen(wire)).toEqual([false, true]);
  for (const offset of [2, 3, 4, 5, 6]) wire.last.message(offset);
  first?.message(7);
  first?.expiring();
  await vi.advanceTimersByTimeAsync(0);
  expect(events).toEqual(["open", 1, 2, 3, 4, 5, 6]);
  expect(wire.connections).toHaveLength(2);
});

test("keeps an expiring connection if the next one fails", async () => {
  const { wire, events } = await follow();
  const [first] = wire.connections;
  first?.expiring();
  await vi.advanceTimersByTimeAsync(0);
  wire.last.broken({ code: "ERR_NETWORK", detail: "" });
  first?.message(1);
  expect(areOpen(wire)).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(800);
  expect(areOpen(wire)).toEqual([true, false, true]);
  wire.last.opens(1);
  expect(areOpen(wire)).toEqual([false, false, true]);
  expect(events).toEqual(["open", 1]);
});

test("replaces an expiring connection no sooner than the hub allows", async () => {
  const { wire } = await follow();
  const [first] = wire.connections;
  first?.expiring();
  await vi.advanceTimersByTimeAsync(0);
  wire.last.broken({ code: "ERR_LIMIT", detail: "", status: 503, retryMs: 5000 });
  for (let offset = 1; offset <= 20; offset += 1) {
    first?.message(offset);
    await vi.advanceTimersByTimeAsync(0);
    const { last } = wire;
    if (last !== first) last.broken({ code: "ERR_LIMIT", detail: "", status: 503, retryMs: 5000 });
  }
  expect(wire.connections).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect(wire.connections).toHaveLength(3);
});

test("doubles the backoff with each failure up to its maximum, and resets it after a stable connection", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  onTestFinished(() => void vi.restoreAllMocks());
  const { wire, events } = await follow();
  for (const waitMs of [50, 100, 200, 400, 400]) {
    wire.last.broken({ code: "ERR_NETWORK", detail: "" });
    expect(events.at(-1)).toEqual(["ERR_NETWORK", waitMs]);
    const before = wire.connections.length;
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(wire.connections).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(wire.connections).toHaveLength(before + 1);
  }
  wire.last.opens();
  await vi.advanceTimersByTimeAsync(10_000);
  wire.last.broken({ code: "ERR_NETWORK", detail: "" });
  expect(events.at(-1)).toEqual(["ERR_NETWORK", 50]);
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
])("status %s is permanent: %s", async (status, isPermanent) => {
  const { wire, source, events } = await follow();
  wire.last.broken({ code: "ERR_STATUS", detail: "", status, retryMs: 7 });
  expect(events.includes("error")).toBe(isPermanent);
  expect(source.readyState).toBe(isPermanent ? 2 : 0);
  await vi.advanceTimersByTimeAsync(1000);
  expect(wire.connections).toHaveLength(isPermanent ? 1 : 2);
});

test("dispatches nothing and reconnects no more after close() in a listener", async () => {
  for (const type of ["open", "message", "error"]) {
    const wire = scriptedWire("comet");
    const source = new BareSource(address, { wire, backoffMs: 1 });
    const events: string[] = [];
    for (const each of ["open", "message", "error", "close"]) {
      source.addEventListener(each, () => {
        events.push(each);
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
    expect(events.at(-1)).toBe(type);
    expect(events.filter((each) => each === type)).toHaveLength(1);
    expect([source.readyState, areOpen(wire)]).toEqual([2, [false]]);
  }
});

test("ignores members of a later version in a gap", async () => {
  const { wire, source, events } = await follow();
  const gaps: unknown[] = [];
  source.ongap = ({ topic, missed }) => void gaps.push([topic, missed]);
  wire.last.received([{ gap: { topic: "a", missed: 2, position: "a=e.2", later: 1 } as never }]);
  wire.last.message(3);
  expect([gaps, events]).toEqual([[["a", 2]], ["open", 3]]);
});

test("ignores a member of a later version in a gap, even with the name of a member of Event", async () => {
  const { wire, events } = await follow();
  wire.last.received([{ gap: { topic: "a", missed: 2, position: "a=e.2", type: "policy" } as never }]);
  wire.last.message(3);
  expect(events).toEqual(["open", 3]);
});

test("treats an item with data as a message, even with the members of a gap or an end", async () => {
  const { wire, events } = await follow();
  wire.last.received([
    { id: "a=e.1", data: 1, gap: { topic: "a", missed: 1, position: "a=e.9" } },
    { id: "a=e.2", data: 2, end: { reason: "gone", position: "a=e.9", retryMs: null } },
  ]);
  expect(events).toEqual(["open", 1, 2]);
});

test("treats an item with data as a message, even with the members of an opening or an error", async () => {
  const { wire, events } = await follow();
  wire.last.received([
    { id: "a=e.1", data: 1, open: { states: { a: "fresh" }, position: "a=e.9", heartbeatMs: 0 } },
    { id: "a=e.2", data: 2, error: { code: "ERR_FORBIDDEN", detail: "", status: 403 } },
  ]);
  expect(events).toEqual(["open", 1, 2]);
});
