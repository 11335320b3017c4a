import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { BareSource, CometSource, logTo, logWire, type ClientWire, type LogEntry } from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedWire } from "../../support/scripted-wire.ts";
import { expectCode } from "../../support/sources.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const address = "http://hub.test/live?topic=a";
const lost = { code: "ERR_NETWORK", detail: "No connection." } as const;

/** A log, and its lines. */
function recorder(): { lines: string[]; entries: LogEntry[]; log: (line: string, entry: LogEntry) => void } {
  const lines: string[] = [];
  const entries: LogEntry[] = [];
  const log = (line: string, entry: LogEntry): void => {
    lines.push(line);
    entries.push(entry);
  };
  return { lines, entries, log };
}

async function follow(wire: ClientWire): Promise<BareSource> {
  const source = new BareSource(address, { wire });
  onTestFinished(() => source.close());
  await vi.advanceTimersByTimeAsync(0);
  return source;
}

describe("logTo", () => {
  test("logs every change of a source's state with its reason and position", async () => {
    const { lines, entries, log } = recorder();
    const wire = scriptedWire("ndjson");
    const source = await follow(wire);
    logTo(source, log);
    wire.last.opens();
    wire.last.message(1);
    wire.last.received([{ gap: { topic: "a", missed: 3, position: "a=e.4" } }]);
    wire.last.received([{ gap: { topic: "a", missed: null, position: "a=f.1" } }]);
    wire.last.broken({ ...lost, status: 502 });
    await vi.advanceTimersByTimeAsync(1000);
    wire.last.received([{ missing: { topic: "b", status: 404 } }]);
    wire.last.received([{ open: { states: { a: "recovered", b: "fresh" }, position: "a=f.1", heartbeatMs: 0 } }]);
    wire.last.received([{ missing: { topic: "b", status: 404 } }]);
    wire.last.received([
      { ended: { topic: "a", position: "a=f.2", outcome: "failed", code: "ERR_OWN", message: "No model." } },
    ]);
    wire.last.received([{ end: { reason: "gone", position: "a=f.2", retryMs: null } }]);
    expect(lines).toEqual([
      "open over ndjson: a fresh (at a=e.0)",
      "gap in a: 3 messages are missing (at a=e.4)",
      "gap in a: an unknown number of messages are missing (at a=f.1)",
      "ERR_NETWORK 502, retry in 500 ms: No connection. (at a=f.1)",
      "open over ndjson: a recovered, b fresh (at a=f.1)",
      "b is missing: 404 (at a=f.1)",
      "a ended: failed, ERR_OWN, No model. (at a=f.2)",
      "ERR_TOPIC_UNKNOWN 404, fatal: b (at a=f.2)",
      "closed: gone, failed (at a=f.2)",
    ]);
    const types = ["open", "gap", "gap", "error", "open", "missing", "ended", "error", "close"];
    expect(entries.map(({ type }) => type)).toEqual(types);
    expect(entries[1]).toMatchObject({ position: "a=e.4", event: { missed: 3 }, at: expect.any(Number) as number });
  });

  test("stops when its returned function is called", async () => {
    const { lines, log } = recorder();
    const wire = scriptedWire("ndjson");
    const stop = logTo(await follow(wire), log);
    stop();
    wire.last.opens();
    expect(lines).toEqual([]);
  });
});

describe("logWire", () => {
  test("logs which wire is tried, late, refused, in use and closed", async () => {
    const { lines, entries, log } = recorder();
    const [first, second, third] = [scriptedWire("ndjson"), scriptedWire("sse"), scriptedWire("poll")] as const;
    const wires = [first, second, third].map((wire: ScriptedWire) => logWire(wire, log));
    const source = new CometSource(address, { wires, openTimeoutMs: 100 });
    onTestFinished(() => source.close());
    await vi.advanceTimersByTimeAsync(100);
    second.last.broken({ code: "ERR_CONTENT_TYPE", detail: "200 text/html", status: 200 });
    third.last.opens(4);
    third.last.late?.();
    third.last.received([{ end: { reason: "recycle", position: "a=e.4", retryMs: 0 } }]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(lines.slice(0, 9)).toEqual([
      "ndjson: request without a position",
      "sse: request without a position",
      "sse: ERR_CONTENT_TYPE 200 200 text/html",
      "poll: request without a position",
      "poll: open at a=e.4",
      "ndjson: closed by the client",
      "poll: the rest of an item is held back",
      "poll: the server ends the stream: recycle",
      "ndjson: request at a=e.4",
    ]);
    expect(entries.map(({ type }) => type).slice(0, 8)).toEqual([
      "request",
      "request",
      "failed",
      "request",
      "opened",
      "closed",
      "late",
      "ending",
    ]);
    expect(entries[2]).toMatchObject({ wire: "sse", failure: { code: "ERR_CONTENT_TYPE" } });
  });

  test("logs the page's own close, and nothing after it or after a failure", async () => {
    const { lines, log } = recorder();
    const wire = scriptedWire("comet");
    const source = await follow(logWire(wire, log));
    wire.last.opens();
    wire.last.expiring();
    await vi.advanceTimersByTimeAsync(0);
    wire.last.broken(lost);
    source.close();
    for (const connection of wire.connections) connection.broken(lost);
    expect(lines).toEqual([
      "comet: request without a position",
      "comet: open at a=e.0",
      "comet: will be replaced, to free the page's memory",
      "comet: request at a=e.0",
      "comet: ERR_NETWORK No connection.",
      "comet: closed by the client",
    ]);
  });

  test("passes everything on, and has the wire's own members", async () => {
    const { log } = recorder();
    const wire = scriptedWire("poll", { idleTimeoutMs: 5, sendsHeaders: true });
    const logged = logWire(wire, log);
    expect([logged.name, logged.idleTimeoutMs, logged.sendsHeaders]).toEqual(["poll", 5, true]);
    const source = await follow(logged);
    const data: unknown[] = [];
    source.onmessage = (event) => void data.push(event.data);
    wire.last.opens();
    wire.last.message(1);
    source.close();
    expect([data, wire.last.isClosed]).toEqual([[1], true]);
  });
});

test("refuses a log that is no function", async () => {
  const wire = scriptedWire("ndjson");
  const source = await follow(wire);
  await expectCode("ERR_OPTION", () => logTo(source, console as never), /log/);
  await expectCode("ERR_OPTION", () => logWire(wire, undefined as never), /log/);
});
