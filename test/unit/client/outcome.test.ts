import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  BareSource,
  CometSource,
  type CometErrorEvent,
  type CometMessageEvent,
  type EndItem,
  type Outcome,
  type ReceivedItem,
} from "../../../src/client/index.ts";
import { errorOf } from "../../support/sources.ts";
import { scriptedWire, type ScriptedWire } from "../../support/scripted-wire.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const types = ["open", "message", "gap", "ended", "missing", "error", "close"] as const;

interface Followed<Source> {
  readonly wire: ScriptedWire;
  readonly source: Source;
  readonly events: (readonly [string, ...unknown[]])[];
  /** The topics of the connection. */
  readonly opens: (...topics: readonly string[]) => void;
  readonly receives: (...items: readonly ReceivedItem[]) => void;
  /** The items arrive, and the connection is lost. */
  readonly cut: (...items: readonly ReceivedItem[]) => Promise<void>;
}

const members: Readonly<Record<string, readonly string[]>> = {
  message: ["data"],
  gap: ["topic"],
  ended: ["topic", "outcome", "code", "message"],
  missing: ["topic", "status"],
  error: ["code", "detail", "status", "retryMs"],
  close: ["reason", "outcome"],
};

async function followed<Source extends BareSource>(wire: ScriptedWire, source: Source): Promise<Followed<Source>> {
  onTestFinished(() => source.close());
  const events: [string, ...unknown[]][] = [];
  for (const type of types) {
    source.addEventListener(type, (event) => {
      const all = event as unknown as Readonly<Record<string, unknown>>;
      events.push([type, ...(members[type] ?? []).map((name) => all[name]).filter((member) => member !== undefined)]);
    });
  }
  await vi.advanceTimersByTimeAsync(0);
  const receives = (...items: readonly ReceivedItem[]): void => wire.last.received(items);
  return {
    wire,
    source,
    events,
    receives,
    opens: (...topics) =>
      receives({
        open: {
          states: Object.fromEntries(topics.map((topic) => [topic, "recovered"])),
          position: topics.map((topic) => `${topic}=e.0`).join(),
          heartbeatMs: 0,
        },
      }),
    cut: async (...items) => {
      receives(...items);
      wire.last.broken({ code: "ERR_NETWORK", detail: "" });
      await vi.advanceTimersByTimeAsync(100);
    },
  };
}

/** A source on a scripted wire. */
function follow(query = "topic=a"): Promise<Followed<BareSource>> {
  const wire = scriptedWire("ndjson");
  return followed(wire, new BareSource(`http://hub.test/live?${query}`, { wire, backoffMs: 1 }));
}

function followAll(query = "topic=a"): Promise<Followed<CometSource>> {
  const wire = scriptedWire("ndjson");
  return followed(wire, new CometSource(`http://hub.test/live?${query}`, { wires: [wire], backoffMs: 1 }));
}

const message = (topic: string, offset: number): ReceivedItem => ({ id: `${topic}=e.${offset}`, data: offset });
const ended = (topic: string, offset: number, outcome: Outcome = "complete", more: object = {}): ReceivedItem => ({
  ended: { topic, outcome, ...more, position: `${topic}=e.${offset}` },
});
const missing = (topic: string, status: 404 | 410 = 404): ReceivedItem => ({ missing: { topic, status } });
const end = (reason: EndItem["reason"], retryMs: number | null = null): ReceivedItem => ({
  end: { reason, position: "", retryMs },
});
const gone = end("gone");

describe("a source", () => {
  test.each(["complete", "stopped"] as const)("closes as %s at the end of its topic", async (outcome) => {
    const { source, events, opens, receives } = await follow();
    opens("a");
    receives(message("a", 1), ended("a", 2, outcome));
    expect([source.readyState, source.outcome, source.lastEventId]).toEqual([1, undefined, "a=e.2"]);
    receives(gone);
    expect([source.readyState, source.outcome]).toEqual([2, outcome]);
    expect(events).toEqual([["open"], ["message", 1], ["ended", "a", outcome], ["close", "gone", outcome]]);
  });

  test("dispatches a fatal error before it closes as failed", async () => {
    const { source, events, opens, receives } = await follow();
    const outcomes: unknown[] = [];
    source.onerror = () => void outcomes.push(source.outcome, source.readyState);
    opens("a");
    receives(ended("a", 1, "failed", { code: "ERR_ROWS", message: "Too many rows." }), gone);
    expect(events.slice(1)).toEqual([
      ["ended", "a", "failed", "ERR_ROWS", "Too many rows."],
      ["error", "ERR_ROWS", "Too many rows.", null],
      ["close", "gone", "failed"],
    ]);
    expect([outcomes, source.outcome]).toEqual([["failed", 2], "failed"]);
  });

  test.each([
    ["failed", "failed"],
    ["an outcome of a later version", "paused"],
  ])("uses ERR_FAILED for a topic without a code that is %s", async (_, outcome) => {
    const { source, events, opens, receives } = await follow();
    opens("a");
    receives(ended("a", 1, outcome as Outcome), gone);
    expect(events.slice(1)).toEqual([
      ["ended", "a", outcome],
      ["error", "ERR_FAILED", "a", null],
      ["close", "gone", "failed"],
    ]);
    expect(source.outcome).toBe("failed");
  });

  test.each([
    [404, "ERR_TOPIC_UNKNOWN"],
    [410, "ERR_TOPIC_EXPIRED"],
  ] as const)("fails if its topic is missing with %s", async (status, code) => {
    const { source, events, opens, receives } = await follow();
    const seen: unknown[] = [];
    source.onmissing = (event) => void seen.push([event.topic, event.status]);
    opens("a");
    receives(missing("a", status));
    expect(seen).toEqual([["a", status]]);
    expect([source.readyState, source.outcome]).toEqual([1, undefined]);
    receives(gone);
    expect(events.slice(1)).toEqual([
      ["missing", "a", status],
      ["error", code, "a", status, null],
      ["close", "gone", "failed"],
    ]);
  });

  test("fails after a refusal", async () => {
    const { source, events, wire } = await follow();
    wire.last.broken({ code: "ERR_TOPIC_EXPIRED", detail: "It is kept no longer.", status: 410 });
    expect(events).toEqual([
      ["error", "ERR_TOPIC_EXPIRED", "It is kept no longer.", 410, null],
      ["close", "error", "failed"],
    ]);
    expect(source.outcome).toBe("failed");
  });

  test("fails if the hub withdraws its permission", async () => {
    const { source, events, opens, receives } = await follow();
    opens("a");
    receives(end("unauthorized"));
    expect(events.slice(1)).toEqual([["close", "unauthorized", "failed"]]);
    expect(source.outcome).toBe("failed");
  });

  test.each([
    ["complete", [ended("a", 1), ended("b", 1)]],
    ["stopped", [ended("a", 1), ended("b", 1, "stopped")]],
    ["failed", [ended("a", 1, "failed"), ended("b", 1, "stopped")]],
    ["failed", [missing("a"), ended("b", 1)]],
    ["complete", [missing("a"), ended("b", 1), ended("a", 1)]],
  ] as const)("is %s over several topics, case %#", async (outcome, items) => {
    const { source, opens, receives } = await follow("topic=a&topic=b");
    opens("a", "b");
    receives(...items, gone);
    expect(source.outcome).toBe(outcome);
  });

  test("has no outcome if the stream ends without the end of a topic", async () => {
    const { source, events, opens, receives } = await follow();
    opens("a");
    receives(message("a", 1), gone);
    expect(events.at(-1)).toEqual(["close", "gone"]);
    expect([source.readyState, source.outcome]).toEqual([2, undefined]);
  });

  test("has no outcome after its own close()", async () => {
    const { source, events, opens, receives } = await follow();
    opens("a");
    source.onended = () => source.close();
    receives(ended("a", 1), gone);
    expect([events.at(-1), source.outcome]).toEqual([["ended", "a", "complete"], undefined]);
  });

  test("takes no message for the end of a topic, whatever its name", async () => {
    const { source, opens, receives } = await follow();
    opens("a");
    for (const [i, event] of ["ended", "missing", "close", "error"].entries())
      receives({ id: `a=e.${i + 1}`, event, data: { outcome: "failed" } });
    receives(ended("a", 5), gone);
    expect(source.outcome).toBe("complete");
  });
});

describe("over several connections, a source", () => {
  test("dispatches each end once, and resumes after it", async () => {
    const { source, events, opens, cut, receives, wire } = await follow("topic=a&topic=b");
    opens("a", "b");
    await cut(message("a", 1), ended("a", 2));
    expect(wire.last.request.position).toBe("a=e.2,b=e.0");
    opens("a", "b");
    receives(ended("a", 2), message("b", 1), ended("b", 2), gone);
    expect(events.filter(([type]) => type === "ended")).toEqual([
      ["ended", "a", "complete"],
      ["ended", "b", "complete"],
    ]);
    expect([source.outcome, wire.connections.length]).toEqual(["complete", 2]);
  });

  test("dispatches the end of a topic that its own position has reached", async () => {
    const { source, events, opens, receives } = await follow("topic=a&lastEventId=a=e.2");
    opens("a");
    receives(ended("a", 2, "stopped"), gone);
    expect(events).toContainEqual(["ended", "a", "stopped"]);
    expect(source.outcome).toBe("stopped");
  });

  test("dispatches a missing topic again only with another status, and none that has ended", async () => {
    const { events, opens, cut, receives } = await follow("topic=a&topic=b&topic=c");
    for (const items of [
      [missing("a"), ended("b", 1)],
      [missing("a"), missing("b", 410)],
      [missing("a", 410), missing("b", 404)],
    ]) {
      opens("c");
      await cut(...items);
    }
    opens("c");
    receives(ended("c", 1), gone);
    expect(events.filter(([type]) => type === "missing")).toEqual([
      ["missing", "a", 404],
      ["missing", "a", 410],
    ]);
  });

  test.each([
    ["is lost", ({ wire }: Followed<BareSource>) => wire.last.broken({ code: "ERR_NETWORK", detail: "" })],
    ["is recycled", ({ receives }: Followed<BareSource>) => receives(end("recycle", 0))],
    ["is a batch of poll", ({ receives }: Followed<BareSource>) => receives(end("poll", 0))],
  ])("closes without another request if a connection %s after the last end", async (_, finish) => {
    const each = await follow("topic=a&topic=b");
    const { source, wire, opens, receives, events } = each;
    opens("a", "b");
    receives(message("a", 1), ended("a", 2), ended("b", 1));
    finish(each);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([source.outcome, wire.connections.length]).toEqual(["complete", 1]);
    expect(events.filter(([type]) => type === "error" || type === "close")).toEqual([["close", "gone", "complete"]]);
  });

  test.each([
    ["a topic still runs", [ended("a", 1)]],
    ["a topic is missing", [ended("a", 1), missing("b")]],
    [
      "a topic has begun again",
      [ended("a", 1), ended("b", 1), { gap: { topic: "a", missed: null, position: "a=f.0" } }],
    ],
  ] as const)("reconnects after a loss if %s", async (_, items) => {
    const { source, wire, opens, cut } = await follow("topic=a&topic=b");
    opens("a", "b");
    await cut(...items);
    expect([source.readyState, wire.connections.length]).toEqual([0, 2]);
  });

  test("dispatches the end of a topic that has begun again", async () => {
    const { source, events, opens, receives } = await follow();
    opens("a");
    receives(ended("a", 1, "failed"), { gap: { topic: "a", missed: null, position: "a=f.0" } });
    receives({ ended: { topic: "a", outcome: "complete", position: "a=f.1" } }, gone);
    expect(events.filter(([type]) => type === "ended")).toEqual([
      ["ended", "a", "failed"],
      ["ended", "a", "complete"],
    ]);
    expect([source.outcome, source.lastEventId]).toEqual(["complete", "a=f.1"]);
  });

  test("ignores an end before the stream has opened, and breaks the connection at a malformed one", async () => {
    const { source, events, receives, opens, wire } = await follow();
    receives(ended("a", 1), missing("a"));
    expect(events).toEqual([]);
    opens("a");
    receives({ ended: {} as never });
    expect(events.at(-1)?.slice(0, 2)).toEqual(["error", "ERR_FRAME"]);
    await vi.advanceTimersByTimeAsync(100);
    expect([source.readyState, wire.connections.length]).toEqual([0, 2]);
  });
});

/** Reads all messages, until the iteration ends or throws. */
async function read(source: CometSource, got: unknown[] = []): Promise<unknown[]> {
  for await (const { data } of source) got.push(data);
  return got;
}

describe("an iteration", () => {
  test.each(["complete", "stopped"] as const)("ends after the last message of a topic that is %s", async (outcome) => {
    const { source, opens, receives } = await followAll();
    const reading = read(source);
    opens("a");
    receives(message("a", 1), message("a", 2), ended("a", 3, outcome), gone);
    expect(await reading).toEqual([1, 2]);
    expect(await read(source)).toEqual([]);
  });

  test("throws after the last message of all topics if one has failed", async () => {
    const { source, opens, receives } = await followAll("topic=a&topic=b");
    const got: unknown[] = [];
    const reading = errorOf(() => read(source, got));
    opens("a", "b");
    receives(message("a", 1), ended("a", 2, "failed", { code: "ERR_ROWS", message: "Too many rows." }));
    receives(message("b", 2), message("b", 3), ended("b", 4, "stopped"), gone);
    const error = (await reading) as Error & { readonly code: string; readonly cause: CometErrorEvent };
    expect(error).toBeInstanceOf(Error);
    expect([error.code, error.message, error.cause.type, got]).toEqual([
      "ERR_ROWS",
      "Too many rows.",
      "error",
      [1, 2, 3],
    ]);
    // A later iteration throws too: it cannot have all messages either.
    expect(await errorOf(() => read(source))).toMatchObject({ code: "ERR_ROWS" });
  });

  test("throws if a topic is missing", async () => {
    const { source, opens, receives } = await followAll();
    const reading = errorOf(() => read(source));
    opens("a");
    receives(missing("a"), gone);
    expect(await reading).toMatchObject({ code: "ERR_TOPIC_UNKNOWN", message: "a" });
  });

  test("throws after the last message if the hub withdraws its permission", async () => {
    const { source, opens, receives } = await followAll();
    const got: unknown[] = [];
    const reading = errorOf(() => read(source, got));
    opens("a");
    // Neither is an event of the source itself.
    receives({ ...message("a", 1), event: "close" }, { ...message("a", 2), event: "error" }, end("unauthorized"));
    expect(await reading).toMatchObject({ code: "ERR_ENDED", message: "unauthorized", cause: { type: "close" } });
    expect(got).toEqual([1, 2]);
  });

  test("ends without an error after close(), even after a topic has failed", async () => {
    const { source, opens, receives } = await followAll("topic=a&topic=b");
    const reading = read(source);
    opens("a", "b");
    receives(message("a", 1), ended("a", 2, "failed"));
    source.close();
    expect(await reading).toEqual([1]);
  });

  test("fetches the rest and the end again when its reader was full", async () => {
    const { source, opens, receives, wire } = await followAll();
    const all = Array.from({ length: 1800 }, (_, i) => message("a", i + 1));
    const got: CometMessageEvent[] = [];
    const { promise: isFull, resolve: readOn } = Promise.withResolvers<undefined>();
    const reading = errorOf(async () => {
      for await (const event of source) {
        got.push(event);
        await isFull;
      }
    });
    opens("a");
    receives(...all.slice(0, 600));
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.last.isClosed).toBe(false);
    // It reads the first 600 when these arrive.
    receives(...all.slice(600, 1200));
    while (!wire.last.isClosed) await vi.advanceTimersByTimeAsync(0);
    readOn(undefined);
    while (wire.connections.length === 1) await vi.advanceTimersByTimeAsync(0);
    expect(wire.last.request.position).toBe("a=e.1200");
    receives({ open: { states: { a: "recovered" }, position: "a=e.1200", heartbeatMs: 0 } });
    receives(...all.slice(1200), ended("a", 1801, "failed"), gone);
    expect(await reading).toMatchObject({ code: "ERR_FAILED" });
    expect(got.map(({ data }) => data)).toEqual(Array.from({ length: 1800 }, (_, i) => i + 1));
    expect(wire.connections).toHaveLength(2);
  });
});
