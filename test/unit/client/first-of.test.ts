import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  CometSource,
  firstOf,
  type ClientWire,
  type CometErrorEvent,
  type WireRequest,
} from "../../../src/client/index.ts";
import { scriptedWire, wireRecorder, type ScriptedWire, type WireRecorder } from "../../support/scripted-wire.ts";

const timeoutMs = 1000;
const request: WireRequest = {
  url: new URL("http://hub.test/live?topic=a"),
  position: "",
  isFirst: true,
  withCredentials: false,
};
const network = { code: "ERR_NETWORK", detail: "" };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("sessionStorage", {});
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Opens a connection of a wire, and records its events. */
function open(wire: ClientWire, more: Partial<WireRequest> = {}): WireRecorder & { readonly close: () => void } {
  const recorder = wireRecorder();
  return Object.assign(recorder, { close: wire.open({ ...request, ...more }, recorder) });
}

const counts = (...wires: ScriptedWire[]): number[] => wires.map(({ connections }) => connections.length);
const openOnes = (...wires: ScriptedWire[]): number[] =>
  wires.map(({ connections }) => connections.filter(({ isClosed }) => !isClosed).length);

/** Two wires, `firstOf` them, and an attempt in which the first is late and the second opens. */
function two(): { a: ScriptedWire; b: ScriptedWire; first: ClientWire; late: () => void } {
  const [a, b] = [scriptedWire("ndjson"), scriptedWire("sse")];
  const first = firstOf([a, b], timeoutMs);
  const late = (): void => {
    const { close } = open(first);
    vi.advanceTimersByTime(timeoutMs);
    b.last.opens();
    close();
  };
  return { a, b, first, late };
}

test("uses the best wire alone if it opens in time, and passes its events on", () => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(timeoutMs - 1);
  a.last.opens();
  vi.advanceTimersByTime(100 * timeoutMs);
  a.last.message(1);
  a.last.expiring();
  a.last.broken(network);
  expect(counts(a, b)).toEqual([1, 0]);
  expect(events.items).toMatchObject([{ open: {} }, { id: "a=e.1" }]);
  expect([events.expirations, events.failures]).toEqual([1, [network]]);
  expect(first.name).toBe("ndjson");
});

test("uses a late wire that opens before the one beside it, and ignores the other", () => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(timeoutMs);
  expect(openOnes(a, b)).toEqual([1, 1]);
  a.last.opens();
  expect(openOnes(a, b)).toEqual([1, 0]);
  b.last.opens();
  b.last.message(7);
  b.last.expiring();
  b.last.broken(network);
  a.last.message(1);
  expect(events.items.map(({ id }) => id)).toEqual([undefined, "a=e.1"]);
  expect([events.expirations, events.failures, first.name]).toEqual([0, [], "ndjson"]);
});

test("takes the name of the wire beside a late one, if that opens first", () => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(timeoutMs);
  b.last.opens();
  expect(openOnes(a, b)).toEqual([0, 1]);
  a.last.opens();
  a.last.message(7);
  a.last.broken(network);
  expect([events.items.length, events.failures, first.name]).toEqual([1, [], "sse"]);
  events.close();
  expect(openOnes(a, b)).toEqual([0, 0]);
});

test("ignores heartbeats and messages of a wire that has not opened", () => {
  const { a, first } = two();
  const events = open(first);
  a.last.received([]);
  a.last.message(1);
  expect(events.items).toEqual([]);
});

test("breaks and closes all wires if none opens in time", () => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(2 * timeoutMs - 1);
  expect(events.failures).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(events.failures).toMatchObject([{ code: "ERR_SILENT" }]);
  expect([counts(a, b), openOnes(a, b)]).toEqual([
    [1, 1],
    [0, 0],
  ]);
});

test.each([
  ["a status", { code: "ERR_STATUS", detail: "", status: 403 }],
  ["a temporary status", { code: "ERR_STATUS", detail: "", status: 502 }],
])("ends the attempt on all wires at a refusal with %s", (_, refusal) => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(timeoutMs);
  b.last.broken(refusal);
  expect([events.failures, openOnes(a, b)]).toEqual([[refusal], [0, 0]]);
  vi.advanceTimersByTime(100 * timeoutMs);
  a.last.opens();
  expect([events.failures.length, events.items]).toEqual([1, []]);
});

test("ends the attempt on all wires at a refusal in an item", () => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(timeoutMs);
  const error = { type: "urn:comet-sockets:ERR_FORBIDDEN", title: "", status: 403, code: "ERR_FORBIDDEN", detail: "" };
  a.last.received([{ error }]);
  expect([events.failures, openOnes(a, b)]).toEqual([[error], [0, 0]]);
});

test("keeps trying a wire when the one beside it breaks", () => {
  const { a, b, first } = two();
  const events = open(first);
  vi.advanceTimersByTime(timeoutMs);
  b.last.broken(network);
  expect(events.failures).toEqual([]);
  a.last.opens();
  expect([events.items.length, events.failures]).toEqual([1, []]);
});

test("tries the next wire at once if one fails at once that has not delivered", () => {
  const { a, b, first } = two();
  const events = open(first);
  a.last.broken(network);
  expect([events.failures, counts(a, b)]).toEqual([[], [1, 1]]);
  b.last.opens();
  expect([events.failures, events.items.length, first.name]).toEqual([[], 1, "sse"]);
});

test("breaks if all wires fail at once, and is not final if one of them is not", () => {
  const final = { ...network, retryMs: null };
  for (const [failures, expected] of [
    [[network, network], network],
    [[final, network], network],
    [[network, final], network],
    [[final, final], final],
  ] as const) {
    const { a, b, first } = two();
    const events = open(first);
    a.last.broken(failures[0]);
    b.last.broken(failures[1]);
    expect([events.failures, openOnes(a, b)]).toEqual([[expected], [0, 0]]);
  }
});

test("breaks with the wire that delivered, and tries the others after three failures in a row", () => {
  const { a, b, first } = two();
  open(first);
  a.last.opens();
  a.last.broken(network);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const events = open(first);
    a.last.broken(network);
    expect([events.failures, openOnes(a, b), counts(a, b)]).toEqual([[network], [0, 0], [1 + attempt, 0]]);
  }
  const events = open(first);
  a.last.broken(network);
  expect([events.failures, openOnes(a, b)]).toEqual([[], [0, 1]]);
  b.last.opens();
  expect(events.items).toHaveLength(1);
});

test("sends at most one request a second after ten that failed", () => {
  const { a, b, first } = two();
  const times: number[] = [];
  for (let attempt = 1; attempt <= 20; attempt += 1) {
    const events = open(first);
    for (const wire of [a, b]) {
      for (let i = 0; i < 200 && openOnes(wire)[0] === 0; i += 1) vi.advanceTimersByTime(10);
      times.push(Date.now());
      wire.last.broken(network);
    }
    expect(events.failures).toEqual([network]);
  }
  expect(times.slice(0, 10).every((time) => time === times[0])).toBe(true);
  expect(times.slice(10).every((time, i) => time - (times[i + 9] as number) >= 1000)).toBe(true);
  open(first);
  vi.advanceTimersByTime(1000);
  a.last.opens();
  a.last.broken(network);
  const before = counts(a);
  open(first);
  expect(counts(a)).toEqual([(before[0] as number) + 1]);
});

test("tries the third wire at once if the first is late and the second breaks", () => {
  const [a, b, c] = [scriptedWire("ndjson"), scriptedWire("sse"), scriptedWire("poll")];
  const events = open(firstOf([a, b, c], timeoutMs));
  vi.advanceTimersByTime(timeoutMs);
  b.last.broken(network);
  expect([counts(a, b, c), openOnes(a, b, c), events.failures]).toEqual([[1, 1, 1], [1, 0, 1], []]);
});

test("closes all wires that it tries when it is closed, and tries no more", () => {
  const { a, b, first } = two();
  const events = open(first);
  events.close();
  vi.advanceTimersByTime(100 * timeoutMs);
  expect([counts(a, b), openOnes(a, b), events.failures]).toEqual([[1, 0], [0, 0], []]);
});

test("leaves out wires that are not possible or cannot send the headers", () => {
  const impossible = scriptedWire("comet", { isPossible: () => false });
  const plain = scriptedWire("sse");
  const sending = scriptedWire("ndjson", { sendsHeaders: true });
  const first = firstOf([impossible, plain, sending], timeoutMs);
  expect(first.sendsHeaders).toBe(true);
  open(first, { headers: { authorization: "x" } });
  expect(counts(impossible, plain, sending)).toEqual([0, 0, 1]);
  open(first);
  expect(counts(impossible, plain, sending)).toEqual([0, 1, 1]);
  const none = open(firstOf([impossible], timeoutMs));
  vi.advanceTimersByTime(0);
  expect(none.failures).toMatchObject([{ code: "ERR_WIRE", retryMs: null }]);
});

test("waits for the idle timeout of a wire, except on the first request", () => {
  const a = scriptedWire("poll", { idleTimeoutMs: 45_000 });
  const b = scriptedWire("sse");
  const first = firstOf([a, b], timeoutMs);
  open(first, { isFirst: false });
  vi.advanceTimersByTime(44_999);
  expect(counts(a, b)).toEqual([1, 0]);
  vi.advanceTimersByTime(1);
  expect(counts(a, b)).toEqual([1, 1]);
  open(first);
  vi.advanceTimersByTime(timeoutMs);
  expect(counts(a, b)).toEqual([2, 2]);
});

describe("a wire that was silent while another delivered", () => {
  test("is not tried a third time, at this address and in this tab, not even by other sources", () => {
    const { a, b, first, late } = two();
    late();
    late();
    expect(counts(a, b)).toEqual([2, 2]);
    open(first);
    expect(counts(a, b)).toEqual([2, 3]);
    open(firstOf([a, b], timeoutMs), { url: new URL("http://hub.test/live?topic=b") });
    expect(counts(a, b)).toEqual([2, 4]);
    for (const address of ["http://hub.test/other", "http://other.test/live"]) {
      open(firstOf([a, b], timeoutMs), { url: new URL(address) });
    }
    expect(counts(a, b)).toEqual([4, 4]);
  });

  test("is counted from zero after it delivers again", () => {
    const { a, b, first, late } = two();
    late();
    open(first);
    a.last.opens();
    late();
    expect(counts(a, b)).toEqual([3, 2]);
    open(first);
    expect(counts(a, b)).toEqual([4, 2]);
  });

  test("is counted as silent if it failed at once", () => {
    const { a, b, first } = two();
    for (let i = 0; i < 2; i += 1) {
      open(first);
      a.last.broken(network);
      b.last.opens();
      b.last.broken(network);
    }
    open(first);
    expect(counts(a, b)).toEqual([2, 3]);
    // Another source of this tab.
    open(firstOf([a, b], timeoutMs));
    expect(counts(a, b)).toEqual([2, 4]);
  });

  test("is not counted as silent if the other failed too", () => {
    const { a, b, first } = two();
    for (let i = 0; i < 4; i += 1) {
      open(first);
      a.last.broken(network);
      b.last.broken(network);
    }
    open(first);
    expect(counts(a, b)).toEqual([5, 4]);
  });

  test.each([
    [
      "the page is sandboxed and has no storage",
      (): never => {
        throw new DOMException("It is sandboxed.", "SecurityError");
      },
    ],
    ["its storage is read-only", (): object => Object.freeze({})],
    ["something else is stored there", (): object => ({ "comet-sockets http://hub.test/live": "{" })],
  ])("is remembered by the source where %s", (_, get) => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage") as PropertyDescriptor;
    onTestFinished(() => void Object.defineProperty(globalThis, "sessionStorage", before));
    Object.defineProperty(globalThis, "sessionStorage", { get, configurable: true });
    const { a, b, first, late } = two();
    late();
    late();
    open(first);
    expect(counts(a, b)).toEqual([2, 3]);
  });

  test("is tried by a source that has no other wire", () => {
    const { a, late } = two();
    late();
    late();
    const events = open(firstOf([a], timeoutMs));
    vi.advanceTimersByTime(0);
    expect([counts(a), events.failures]).toEqual([[3], []]);
  });
});

describe("in a source", () => {
  /** A source on these wires, and its errors. */
  function follow(wires: readonly ClientWire[], openTimeoutMs: number): { source: CometSource; errors: string[] } {
    const source = new CometSource(request.url, { wires, openTimeoutMs, backoffMs: 1, maxBackoffMs: 1 });
    const errors: string[] = [];
    source.onerror = ({ code }: CometErrorEvent) => void errors.push(code);
    return { source, errors };
  }

  test("tries the last wire, however slowly the others failed", async () => {
    const wires = (["ndjson", "sse", "comet"] as const).map((name) => scriptedWire(name));
    const poll = scriptedWire("poll", { idleTimeoutMs: 45_000 });
    const { source, errors } = follow([...wires, poll], 3000);
    // A hub is unreachable for a moment, behind a proxy that holds streams back.
    for (let i = 1; i <= 3; i += 1) {
      await vi.advanceTimersByTimeAsync(5);
      for (const wire of [...wires, poll]) {
        // After ten requests, each waits for a second.
        if (wire.connections.length < i) await vi.advanceTimersByTimeAsync(1000);
        wire.connections.at(-1)?.broken(network);
      }
    }
    await vi.advanceTimersByTimeAsync(20);
    const before = poll.connections.length;
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    source.close();
    expect(errors.slice(0, 3)).toEqual(["ERR_NETWORK", "ERR_NETWORK", "ERR_NETWORK"]);
    expect(poll.connections.length).toBeGreaterThan(before);
  });

  test("reconnects within seconds to a hub that was unreachable for a moment", async () => {
    const poll = scriptedWire("poll", { idleTimeoutMs: 45_000 });
    const stream = scriptedWire("ndjson");
    const { source } = follow([stream, poll], 3000);
    await vi.advanceTimersByTimeAsync(0);
    stream.last.opens();
    for (let i = 0; i < 2; i += 1) {
      stream.last.broken(network);
      await vi.advanceTimersByTimeAsync(5);
    }
    stream.last.broken(network);
    expect(source.readyState).toBe(0);
    // The hub is reachable again: a stream would open, but a poll with a position waits for a message.
    const { length } = stream.connections;
    for (let s = 0; s < 10 && stream.connections.length === length; s += 1) await vi.advanceTimersByTimeAsync(1000);
    if (stream.connections.length > length) stream.last.opens();
    expect(source.readyState).toBe(1);
    source.close();
  });
});
