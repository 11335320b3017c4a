import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { BareSource, batches, type BatchOptions, type CometMessageEvent } from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedConnection } from "../../support/scripted-wire.ts";
import { expectCode } from "../../support/sources.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A source that is open, in batches. */
async function follow(options?: BatchOptions<CometMessageEvent>): Promise<{
  source: BareSource;
  connection: ScriptedConnection;
  /** The data of each batch. */
  delivered: unknown[][];
  stop: () => void;
}> {
  const wire = scriptedWire("ndjson");
  const source = new BareSource("http://hub.test/live?topic=a", { wire });
  onTestFinished(() => source.close());
  const delivered: unknown[][] = [];
  const stop = batches(source, (messages) => void delivered.push(messages.map(({ data }) => data as unknown)), options);
  await vi.advanceTimersByTimeAsync(0);
  wire.last.opens();
  return { source, connection: wire.last, delivered, stop };
}

/** Frames that a test renders. */
function frames(hidden = false): { render: () => void; readonly due: number } {
  const due = new Map<number, () => void>();
  let last = 0;
  vi.stubGlobal("document", { hidden });
  vi.stubGlobal("requestAnimationFrame", (act: () => void) => {
    due.set((last += 1), act);
    return last;
  });
  vi.stubGlobal("cancelAnimationFrame", (id: number) => due.delete(id));
  return {
    render: () => {
      const acts = [...due.values()];
      due.clear();
      for (const act of acts) act();
    },
    get due() {
      return due.size;
    },
  };
}

describe("in a page that renders", () => {
  test("delivers all messages of a frame at once, in their order", async () => {
    const { render } = frames();
    const { connection, delivered } = await follow();
    for (const offset of [1, 2, 3]) connection.message(offset);
    expect(delivered).toEqual([]);
    render();
    expect(delivered).toEqual([[1, 2, 3]]);
    render();
    connection.message(4);
    render();
    expect(delivered).toEqual([[1, 2, 3], [4]]);
  });

  test("delivers by a timer when no frame follows, and once", async () => {
    const page = frames();
    const { connection, delivered } = await follow();
    connection.message(1);
    await vi.advanceTimersByTimeAsync(249);
    expect(delivered).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(delivered).toEqual([[1]]);
    expect(page.due).toBe(0);
  });

  test("leaves no timer once a frame has delivered", async () => {
    const { render } = frames();
    const { connection } = await follow();
    connection.message(1);
    render();
    expect(vi.getTimerCount()).toBe(0);
  });
});

test.each([
  ["a hidden page", () => frames(true)],
  ["a worker or Node", () => undefined],
])("delivers by a timer in %s", async (_, enter) => {
  const page = enter();
  const { connection, delivered } = await follow();
  connection.message(1);
  connection.message(2);
  await vi.advanceTimersByTimeAsync(16);
  expect(delivered).toEqual([[1, 2]]);
  expect(page?.due ?? 0).toBe(0);
});

test("delivers 10,000 messages without waiting for a frame", async () => {
  frames();
  const { connection, delivered } = await follow();
  for (let offset = 1; offset <= 10_001; offset += 1) connection.message(offset);
  expect(delivered.map(({ length }) => length)).toEqual([10_000]);
});

test("delivers only the messages of its types", async () => {
  const { render } = frames();
  const { connection, delivered } = await follow({ types: ["price", "news"] });
  for (const [i, event] of ["price", undefined, "other", "news"].entries())
    connection.received([{ id: `a=e.${i + 1}`, data: i, ...(event !== undefined && { event }) }]);
  render();
  expect(delivered).toEqual([[0, 3]]);
});

test("delivers the newest message of each key, in the order in which they arrived", async () => {
  const { render } = frames();
  const { connection, delivered } = await follow({ latest: ({ data }) => (data as string)[0] });
  for (const [i, data] of ["a1", "b1", "a2", "c1", "b2"].entries()) connection.message(i + 1, data);
  render();
  expect(delivered).toEqual([["a2", "c1", "b2"]]);
  connection.message(6, "a3");
  render();
  expect(delivered).toEqual([["a2", "c1", "b2"], ["a3"]]);
});

describe("the last batch", () => {
  test("is delivered after the source is closed", async () => {
    const { render } = frames();
    const { source, connection, delivered } = await follow();
    connection.message(1);
    source.close();
    render();
    expect(delivered).toEqual([[1]]);
  });

  test("is delivered after the server has closed the source", async () => {
    const { render } = frames();
    const { connection, delivered } = await follow();
    connection.message(1);
    connection.received([{ end: { reason: "gone", position: "a=e.1", retryMs: null } }]);
    render();
    expect(delivered).toEqual([[1]]);
  });

  test("is delivered by the returned function, and nothing after it", async () => {
    const page = frames();
    const { connection, delivered, stop } = await follow();
    connection.message(1);
    stop();
    expect(delivered).toEqual([[1]]);
    connection.message(2);
    stop();
    page.render();
    await vi.runAllTimersAsync();
    expect([delivered, page.due]).toEqual([[[1]], 0]);
  });
});

test("delivers the next batch after a callback that throws, and no message twice", async () => {
  const { render } = frames();
  const wire = scriptedWire("ndjson");
  const source = new BareSource("http://hub.test/live?topic=a", { wire });
  onTestFinished(() => source.close());
  const delivered: unknown[] = [];
  batches(source, (messages) => {
    for (const { data } of messages) delivered.push(data);
    if (delivered.length === 1) throw new Error("of the page's own");
  });
  await vi.advanceTimersByTimeAsync(0);
  wire.last.opens();
  wire.last.message(1);
  expect(render).toThrow("of the page's own");
  wire.last.message(2);
  render();
  expect(delivered).toEqual([1, 2]);
});

test("refuses a callback or a latest that is no function", async () => {
  const source = new BareSource("http://hub.test/live?topic=a", { wire: scriptedWire("ndjson") });
  onTestFinished(() => source.close());
  await expectCode("ERR_OPTION", () => batches(source, undefined as never), /callback/);
  await expectCode("ERR_OPTION", () => batches(source, () => undefined, { latest: "key" as never }), /latest/);
});
