import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { BareSource, type EndItem, type FollowOptions } from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedConnection, type ScriptedWire } from "../../support/scripted-wire.ts";

const network = { code: "ERR_NETWORK", detail: "" };
let page: EventTarget;
let pageDocument: { hidden: boolean };

beforeEach(() => {
  vi.useFakeTimers();
  page = new EventTarget();
  pageDocument = { hidden: false };
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("document", Object.assign(pageDocument, { baseURI: "http://hub.test/" }));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const advance = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const happens = (type: string): boolean => page.dispatchEvent(new Event(type));

/** A source whose connections are answered by `answer`, the times of their requests, and the events of the source. */
function follow(
  answer: (connection: ScriptedConnection, number: number) => void = () => undefined,
  options: Partial<FollowOptions> = {},
): { source: BareSource; wire: ScriptedWire; times: number[]; events: unknown[] } {
  const times: number[] = [];
  const scripted = scriptedWire("ndjson");
  const wire: ScriptedWire = Object.assign(Object.create(scripted) as ScriptedWire, {
    open: (...args: Parameters<ScriptedWire["open"]>) => {
      const close = scripted.open(...args);
      const { last } = scripted;
      queueMicrotask(() => answer(last, times.push(Date.now())));
      return close;
    },
  });
  const source = new BareSource("/live?topic=a", { wire, ...options });
  onTestFinished(() => source.close());
  const events: unknown[] = [];
  source.onopen = () => void events.push("open");
  source.onmessage = ({ data }) => void events.push(data);
  source.onerror = ({ code, retryMs }) => void events.push([code, retryMs]);
  source.onclose = ({ reason }) => void events.push(reason);
  return { source, wire, times, events };
}

const ends = (connection: ScriptedConnection, reason: EndItem["reason"], offset = 0, retryMs = 0): void =>
  connection.received([{ end: { reason, position: `a=e.${offset}`, retryMs } }]);

const pauses = (times: readonly number[]): number[] => times.slice(1).map((time, i) => time - (times[i] as number));

describe("a source that never waits by its options", () => {
  const options = { backoffMs: 0, maxBackoffMs: 0 };

  test.each<[string, (connection: ScriptedConnection) => void]>([
    [
      "streams that end at once with nothing in them",
      (connection) => {
        connection.opens();
        ends(connection, "recycle");
      },
    ],
    ["connections that fail at once", ({ broken }) => broken(network)],
    [
      "responses of a cache that has the same poll for ever",
      (connection) => {
        connection.opens();
        ends(connection, "poll");
      },
    ],
    [
      "streams that are cut at once",
      (connection) => {
        connection.opens();
        connection.broken(network);
      },
    ],
  ])("sends at most one request a second after ten %s", async (_, answer) => {
    const { times } = follow(answer, options);
    await advance(60_000);
    expect(times.length).toBeGreaterThan(30);
    expect(Math.min(...pauses(times).slice(9))).toBeGreaterThanOrEqual(1000);
  });

  test("reconnects at once while each stream has something new", async () => {
    const { times, events } = follow((connection, number) => {
      if (number > 100) return;
      connection.opens(number - 1);
      connection.message(number);
      ends(connection, "recycle", number);
    }, options);
    await advance(500);
    expect(times).toHaveLength(101);
    expect(events).toEqual(["open", ...Array.from({ length: 100 }, (_, i) => i + 1)]);
  });

  test("reconnects at once after polls that were held for a second or longer", async () => {
    const { times, events } = follow((connection) => {
      setTimeout(() => {
        connection.opens();
        ends(connection, "poll");
      }, 1500);
    }, options);
    await advance(60_000);
    expect(Math.max(...pauses(times))).toBeLessThan(1510);
    expect(events).toEqual(["open"]);
  });
});

test("backs off from streams that end at once with nothing in them, and reports each", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const { source, times, events } = follow((connection) => {
    connection.opens();
    ends(connection, "recycle");
  });
  await advance(0);
  // The first one brought the position.
  expect([events, source.readyState]).toEqual([["open", ["ERR_ENDED", 1000]], 0]);
  await advance(7000);
  expect(pauses(times)).toEqual([0, 1000, 2000, 4000]);
  expect(events.slice(2)).toEqual([
    "open",
    ["ERR_ENDED", 2000],
    "open",
    ["ERR_ENDED", 4000],
    "open",
    ["ERR_ENDED", 8000],
  ]);
});

test("reconnects at once, without an event, after a quiet stream that lasted for a second", async () => {
  const { times, events } = follow((connection) => {
    connection.opens();
    setTimeout(() => ends(connection, "recycle"), 1001);
  });
  await advance(10_000);
  expect(times).toHaveLength(10);
  expect(events).toEqual(["open"]);
});

describe("in a page", () => {
  const slow = { backoffMs: 600_000, maxBackoffMs: 600_000 };
  const failing = ({ broken }: ScriptedConnection): void => broken(network);

  test.each(["online", "focus", "visibilitychange", "pageshow"])("reconnects at once at %s", async (type) => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { times, events } = follow(failing, slow);
    await advance(60_000);
    expect(times).toHaveLength(1);
    happens(type);
    await advance(0);
    expect([times.length, events]).toEqual([2, Array(2).fill(["ERR_NETWORK", 600_000])]);
  });

  test("stays as it is when the page is hidden, and when a connection is opening or open", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { wire, times } = follow(undefined, slow);
    for (const type of ["focus", "visibilitychange", "pageshow"]) happens(type);
    await advance(0);
    wire.last.opens();
    for (const type of ["focus", "visibilitychange", "pageshow"]) happens(type);
    await advance(0);
    expect(times).toHaveLength(1);
    wire.last.broken(network);
    pageDocument.hidden = true;
    happens("visibilitychange");
    await advance(60_000);
    expect(times).toHaveLength(1);
  });

  test("reconnects no sooner than the server allows, nor more than once a second, however often it is focused", async () => {
    let isLimited = true;
    const limit = { code: "ERR_LIMIT", detail: "", status: 503, retryMs: 5000 };
    const { times } = follow(({ broken }) => broken(isLimited ? limit : network), slow);
    const focusFor = async (ms: number): Promise<void> => {
      for (let at = 0; at < ms; at += 100) {
        happens("focus");
        happens("online");
        await advance(100);
      }
    };
    await focusFor(20_000);
    expect(new Set(pauses(times))).toEqual(new Set([5000]));
    isLimited = false;
    times.length = 0;
    await focusFor(60_000);
    expect(Math.min(...pauses(times).slice(10))).toBeGreaterThanOrEqual(1000);
  });

  /** Makes the browser lose its network. */
  const goOffline = (): void => {
    vi.stubGlobal("navigator", { onLine: false });
    happens("offline");
  };
  const goOnline = (): void => {
    vi.stubGlobal("navigator", { onLine: true });
    happens("online");
  };

  test("reports that the browser is offline, and reconnects at once when it is online", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { source, wire, times, events } = follow((connection, number) => connection.opens(number), slow);
    await advance(0);
    goOffline();
    expect([events, source.readyState]).toEqual([["open", ["ERR_OFFLINE", 600_000]], 0]);
    expect(wire.connections.map(({ isClosed }) => isClosed)).toEqual([true]);
    happens("offline");
    await advance(60_000);
    goOnline();
    await advance(0);
    expect([events.length, times.length, source.readyState]).toEqual([3, 2, 1]);
  });

  test("reports ERR_OFFLINE for each attempt while the browser is offline, and goes on trying", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { times, events, source } = follow(failing, { backoffMs: 1000 });
    vi.stubGlobal("navigator", { onLine: false });
    await advance(3000);
    expect([times.length, events]).toEqual([3, [1000, 2000, 4000].map((retryMs) => ["ERR_OFFLINE", retryMs])]);
    goOnline();
    await advance(0);
    expect([events.at(-1), source.readyState]).toEqual([["ERR_NETWORK", 8000], 0]);
  });

  test("takes no failure for final while the browser is offline", async () => {
    vi.stubGlobal("navigator", { onLine: false });
    const { events, source } = follow(({ broken }) => broken({ ...network, retryMs: null }), slow);
    await advance(0);
    expect([events, source.readyState]).toEqual([[["ERR_OFFLINE", expect.any(Number)]], 0]);
  });

  test("keeps the code of a refusal while the browser says that it is offline, as beside a server on this machine", async () => {
    vi.stubGlobal("navigator", { onLine: false });
    const { events } = follow(({ broken }) => broken({ code: "ERR_FORBIDDEN", detail: "", status: 403 }));
    await advance(0);
    expect(events).toEqual([["ERR_FORBIDDEN", null], "error"]);
  });

  test("breaks a connection that is opening when the browser loses its network", async () => {
    const { wire, events } = follow(undefined, slow);
    await advance(0);
    goOffline();
    expect([wire.last.isClosed, events]).toEqual([true, [["ERR_OFFLINE", expect.any(Number)]]]);
  });

  test("replaces a connection of the network before when the browser is online again", async () => {
    const { wire, events } = follow((connection, number) => connection.opens(number));
    await advance(0);
    goOnline();
    await advance(0);
    expect(wire.connections.map(({ isClosed }) => isClosed)).toEqual([true, false]);
    expect(events).toEqual(["open", "open"]);
  });

  test.each<[string, (connection: ScriptedConnection) => void]>([
    ["is cut", ({ broken }) => broken(network)],
    ["ends", (connection) => ends(connection, "recycle")],
    ["ends with a pause", (connection) => ends(connection, "drain", 0, 50)],
  ])("neither reconnects nor reports an error while it is being left, if its stream %s", async (_, end) => {
    const { wire, times, events, source } = follow((connection) => connection.opens());
    await advance(7000);
    happens("beforeunload");
    await advance(3000);
    end(wire.last);
    await advance(6900);
    happens("focus");
    expect([times.length, events, source.readyState]).toEqual([1, ["open"], 1]);
    // The page was not left, as after a download.
    await advance(100);
    expect([times.length, events, source.readyState]).toEqual([2, ["open"], 1]);
    wire.last.broken(network);
    expect([events.length, source.readyState]).toEqual([2, 0]);
  });

  test("reconnects at once when the browser brings a page back whose stream was cut while it was left", async () => {
    const { wire, times, events } = follow((connection) => connection.opens());
    await advance(7000);
    happens("beforeunload");
    wire.last.broken(network);
    happens("pagehide");
    await advance(1000);
    happens("focus");
    await advance(0);
    expect(times).toHaveLength(1);
    happens("pageshow");
    await advance(0);
    expect([times.length, events]).toEqual([2, ["open"]]);
  });
});

describe("close() in a listener of the last error", () => {
  test.each<[string, (connection: ScriptedConnection) => void, string]>([
    ["a refusal", ({ broken }) => broken({ code: "ERR_FORBIDDEN", detail: "", status: 403 }), "ERR_FORBIDDEN"],
    [
      "the failure of a topic",
      ({ received }) =>
        received([
          { ended: { topic: "a", outcome: "failed", code: "ERR_ROWS", message: "", position: "a=e.1" } },
          { end: { reason: "gone", position: "a=e.1", retryMs: null } },
        ]),
      "ERR_ROWS",
    ],
  ])("leaves out the `close` event after %s", async (_, fail, expected) => {
    const { source, wire, events } = follow((connection) => connection.opens());
    source.addEventListener("error", () => source.close());
    await advance(0);
    fail(wire.last);
    await advance(60_000);
    expect([events, source.readyState]).toEqual([["open", [expected, null]], 2]);
  });
});

test.each([201, 202, 204, 205, 226])("does not reconnect after the status %s", async (status) => {
  const { events, times, source } = follow(({ broken }) => broken({ code: "ERR_STATUS", detail: "", status }));
  await advance(60_000);
  expect([events, times.length, source.readyState]).toEqual([[["ERR_STATUS", null], "error"], 1, 2]);
});

describe("an address", () => {
  const urlOf = (url: string, baseURI: string): string => {
    vi.stubGlobal("document", { baseURI });
    const source = new BareSource(url, { wire: scriptedWire("ndjson") });
    source.close();
    return source.url;
  };

  test.each([
    ["live?topic=a", "http://hub.test/deep/page", "http://hub.test/deep/live?topic=a"],
    ["/live?topic=a", "https://cdn.test/assets/", "https://cdn.test/live?topic=a"],
    ["", "http://hub.test/live?topic=a", "http://hub.test/live?topic=a"],
    ["live", "http://me:secret@hub.test/", "http://hub.test/live"],
    ["http://me:secret@hub.test/live", "http://page.test/", "http://hub.test/live"],
  ])("is %j, relative to the base address %s, without credentials", (url, base, expected) => {
    vi.stubGlobal("location", { href: "about:srcdoc" });
    expect(urlOf(url, base)).toBe(expected);
  });

  test("is relative to the script in a worker, which has no document", () => {
    vi.stubGlobal("document", undefined);
    vi.stubGlobal("location", { href: "http://hub.test/assets/worker.js" });
    const source = new BareSource("live", { wire: scriptedWire("ndjson") });
    source.close();
    expect(source.url).toBe("http://hub.test/assets/live");
  });
});
