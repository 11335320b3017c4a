import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  CometSource,
  firstOf,
  type ClientWire,
  type CometErrorEvent,
  type WireRequest,
} from "../../../src/client/index.ts";
import { heard, scriptedWire, type Heard, type ScriptedWire } from "../../support/scripted-wire.ts";

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

/** Opens the first of some wires. */
function open(wire: ClientWire, more: Partial<WireRequest> = {}): Heard & { readonly letGo: () => void } {
  const told = heard();
  return Object.assign(told, { letGo: wire.open({ ...request, ...more }, told) });
}

const counts = (...wires: ScriptedWire[]): number[] => wires.map(({ connections }) => connections.length);
const openOnes = (...wires: ScriptedWire[]): number[] =>
  wires.map(({ connections }) => connections.filter(({ isLetGo }) => !isLetGo).length);

/** Two wires, the first that opens of them, and an attempt in which the second does after the first was late. */
function two(): { a: ScriptedWire; b: ScriptedWire; first: ClientWire; late: () => void } {
  const [a, b] = [scriptedWire("ndjson"), scriptedWire("sse")];
  const first = firstOf([a, b], timeoutMs);
  const late = (): void => {
    const { letGo } = open(first);
    vi.advanceTimersByTime(timeoutMs);
    b.last.opens();
    letGo();
  };
  return { a, b, first, late };
}

test("one that opens in time is the only one, and all that it says is passed on", () => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(timeoutMs - 1);
  a.last.opens();
  vi.advanceTimersByTime(100 * timeoutMs);
  a.last.message(1);
  a.last.worn();
  a.last.broken(network);
  expect(counts(a, b)).toEqual([1, 0]);
  expect(told.items).toMatchObject([{ open: {} }, { id: "a=e.1" }]);
  expect([told.worns, told.failures]).toEqual([1, [network]]);
  expect(first.name).toBe("ndjson");
});

test("one that is late wins if it opens before the one beside it, of which nothing more is heard", () => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(timeoutMs);
  expect(openOnes(a, b)).toEqual([1, 1]);
  a.last.opens();
  expect(openOnes(a, b)).toEqual([1, 0]);
  b.last.opens();
  b.last.message(7);
  b.last.worn();
  b.last.broken(network);
  a.last.message(1);
  expect(told.items.map(({ id }) => id)).toEqual([undefined, "a=e.1"]);
  expect([told.worns, told.failures, first.name]).toEqual([0, [], "ndjson"]);
});

test("one that is late loses to the one beside it, and its name is that one's", () => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(timeoutMs);
  b.last.opens();
  expect(openOnes(a, b)).toEqual([0, 1]);
  a.last.opens();
  a.last.message(7);
  a.last.broken(network);
  expect([told.items.length, told.failures, first.name]).toEqual([1, [], "sse"]);
  told.letGo();
  expect(openOnes(a, b)).toEqual([0, 0]);
});

test("signs of life and messages before it opens do not make one win", () => {
  const { a, first } = two();
  const told = open(first);
  a.last.received([]);
  a.last.message(1);
  expect(told.items).toEqual([]);
});

test("if all are late that is an error, and all are let go of", () => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(2 * timeoutMs - 1);
  expect(told.failures).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told.failures).toMatchObject([{ code: "ERR_SILENT" }]);
  expect([counts(a, b), openOnes(a, b)]).toEqual([
    [1, 1],
    [0, 0],
  ]);
});

test.each([
  ["a status", { code: "ERR_STATUS", detail: "", status: 403 }],
  ["a status that passes", { code: "ERR_STATUS", detail: "", status: 502 }],
])("a refusal with %s by one holds for all, at once", (_, refusal) => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(timeoutMs);
  b.last.broken(refusal);
  expect([told.failures, openOnes(a, b)]).toEqual([[refusal], [0, 0]]);
  vi.advanceTimersByTime(100 * timeoutMs);
  a.last.opens();
  expect([told.failures.length, told.items]).toEqual([1, []]);
});

test("a refusal that comes as an item holds for all as well", () => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(timeoutMs);
  const error = { type: "urn:comet-sockets:ERR_FORBIDDEN", title: "", status: 403, code: "ERR_FORBIDDEN", detail: "" };
  a.last.received([{ error }]);
  expect([told.failures, openOnes(a, b)]).toEqual([[error], [0, 0]]);
});

test("one that breaks while another is being tried leaves that one its time", () => {
  const { a, b, first } = two();
  const told = open(first);
  vi.advanceTimersByTime(timeoutMs);
  b.last.broken(network);
  expect(told.failures).toEqual([]);
  a.last.opens();
  expect([told.items.length, told.failures]).toEqual([1, []]);
});

test("one that breaks alone is an error; after three in a row each is the first to be tried in its turn", () => {
  const { a, b, first } = two();
  for (const wire of [a, a, a, b, a, b]) {
    const told = open(first);
    const before = counts(a, b);
    wire.last.broken(network);
    expect([told.failures, openOnes(a, b), counts(a, b)]).toEqual([[network], [0, 0], before]);
  }
  // It has opened: the best is the first again.
  open(first);
  a.last.opens();
  a.last.broken(network);
  open(first);
  expect(counts(a, b)).toEqual([6, 2]);
});

test("where one is late and the next breaks, the one after it is tried at once", () => {
  const [a, b, c] = [scriptedWire("ndjson"), scriptedWire("sse"), scriptedWire("poll")];
  const told = open(firstOf([a, b, c], timeoutMs));
  vi.advanceTimersByTime(timeoutMs);
  b.last.broken(network);
  expect([counts(a, b, c), openOnes(a, b, c), told.failures]).toEqual([[1, 1, 1], [1, 0, 1], []]);
});

test("letting go of it lets go of all that are tried, and no further one is", () => {
  const { a, b, first } = two();
  const told = open(first);
  told.letGo();
  vi.advanceTimersByTime(100 * timeoutMs);
  expect([counts(a, b), openOnes(a, b), told.failures]).toEqual([[1, 0], [0, 0], []]);
});

test("with headers those that cannot send them are left out, as are those that cannot be had", () => {
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

test("one may take its own time, but not to show that there is a connection at all", () => {
  const a = scriptedWire("poll", { patienceMs: 45_000 });
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

describe("what was silent where another delivered", () => {
  test("is not tried a third time, at this address and in this tab, by other sources either", () => {
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

  test("is begun anew with when it delivers again", () => {
    const { a, b, first, late } = two();
    late();
    open(first);
    a.last.opens();
    late();
    expect(counts(a, b)).toEqual([3, 2]);
    open(first);
    expect(counts(a, b)).toEqual([4, 2]);
  });

  test("is not what broke in its time", () => {
    const { a, b, first } = two();
    for (let i = 0; i < 2; i += 1) {
      open(first);
      a.last.broken(network);
      open(first);
      a.last.broken(network);
      open(first);
      a.last.broken(network);
      open(first);
      b.last.opens();
    }
    open(first);
    expect(counts(a, b)).toEqual([7, 2]);
  });

  test.each([
    [
      "the page is sandboxed, and has no storage",
      (): never => {
        throw new DOMException("It is sandboxed.", "SecurityError");
      },
    ],
    ["its storage takes nothing", (): object => Object.freeze({})],
    ["something else is stored there", (): object => ({ "comet-sockets http://hub.test/live": "{" })],
  ])("is known to the source itself where %s", (_, get) => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage") as PropertyDescriptor;
    onTestFinished(() => void Object.defineProperty(globalThis, "sessionStorage", before));
    Object.defineProperty(globalThis, "sessionStorage", { get, configurable: true });
    const { a, b, first, late } = two();
    late();
    late();
    open(first);
    expect(counts(a, b)).toEqual([2, 3]);
  });

  test("is tried all the same by a source that may use no other", () => {
    const { a, late } = two();
    late();
    late();
    const told = open(firstOf([a], timeoutMs));
    vi.advanceTimersByTime(0);
    expect([counts(a), told.failures]).toEqual([[3], []]);
  });
});

describe("as a source's", () => {
  /** A source on these wires, and its errors. */
  function follow(wires: readonly ClientWire[], openTimeoutMs: number): { source: CometSource; errors: string[] } {
    const source = new CometSource(request.url, { wires, openTimeoutMs, retryMs: 1, maxRetryMs: 1 });
    const errors: string[] = [];
    source.onerror = ({ code }: CometErrorEvent) => void errors.push(code);
    return { source, errors };
  }

  test("the last gets its turn, however slowly the others were tried", async () => {
    const wires = (["ndjson", "sse", "comet"] as const).map((name) => scriptedWire(name));
    const poll = scriptedWire("poll", { patienceMs: 45_000 });
    const { source, errors } = follow([...wires, poll], 3000);
    // A hub that is away for a moment, behind a proxy that holds streams back.
    for (let i = 1; i <= 3; i += 1) {
      await vi.advanceTimersByTimeAsync(5);
      for (const wire of [...wires, poll]) wire.connections.at(-1)?.broken(network);
    }
    await vi.advanceTimersByTimeAsync(20);
    const before = poll.connections.length;
    await vi.advanceTimersByTimeAsync(10 * 60_000);
    source.close();
    expect(errors.slice(0, 3)).toEqual(["ERR_NETWORK", "ERR_NETWORK", "ERR_NETWORK"]);
    expect(poll.connections.length).toBeGreaterThan(before);
  });

  test("a hub that is away for a moment is found again in moments", async () => {
    const poll = scriptedWire("poll", { patienceMs: 45_000 });
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
    // It is back: a stream would open, but a poll that brings a position waits for a message.
    const { length } = stream.connections;
    for (let s = 0; s < 10 && stream.connections.length === length; s += 1) await vi.advanceTimersByTimeAsync(1000);
    if (stream.connections.length > length) stream.last.opens();
    expect(source.readyState).toBe(1);
    source.close();
  });
});
