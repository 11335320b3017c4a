import { EventSource } from "eventsource";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { fetchHandler } from "../../../src/index.ts";
import {
  acrossTabs,
  BareSource,
  CometSource,
  ndjson,
  poll,
  sse,
  type ClientWire,
  type CometOpenEvent,
  type CometSourceOptions,
} from "../../../src/client/index.ts";
import { notedHub, serveHub } from "../../support/hub.ts";
import { scriptedWire, type ScriptedConnection, type ScriptedWire } from "../../support/scripted-wire.ts";
import { turns, until } from "../../support/sources.ts";

const quick = { backoffMs: 5, maxBackoffMs: 20, openTimeoutMs: 10_000 } as const;

/** Node has no EventSource of its own yet. */
beforeAll(() => void vi.stubGlobal("EventSource", EventSource));
afterAll(() => void vi.unstubAllGlobals());

const sources = new Set<BareSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
  vi.useRealTimers();
});

interface Numbered {
  readonly topic: string;
  readonly number: number;
}

/** The numbers of the messages of each topic, the opening states, and the gaps and errors of a source. */
function record(source: BareSource): {
  readonly source: BareSource;
  readonly numbers: Record<string, number[]>;
  readonly opens: CometOpenEvent["states"][];
  readonly faults: unknown[];
  readonly closes: string[];
} {
  sources.add(source);
  const followed = { source, numbers: {}, opens: [], faults: [], closes: [] } as ReturnType<typeof record>;
  source.onopen = ({ states }) => void followed.opens.push(states);
  source.onmessage = ({ data }) => {
    const { topic, number } = data as Numbered;
    (followed.numbers[topic] ??= []).push(number);
  };
  source.ongap = ({ topic }) => void followed.faults.push(topic);
  source.onerror = ({ code }) => void followed.faults.push(code);
  source.onclose = ({ reason }) => void followed.closes.push(reason);
  return followed;
}

const follow = (url: string, options: CometSourceOptions = {}): ReturnType<typeof record> =>
  record(new CometSource(url, { ...quick, ...options }));

describe("on a scripted wire", () => {
  /** A source of the topics `a` and `b`, which has opened. */
  async function open(
    query = "topic=a&topic=b",
    states: CometOpenEvent["states"] = { a: "fresh", b: "fresh" },
    position = "a=e.0,b=e.0",
  ): Promise<ReturnType<typeof record> & { wire: ScriptedWire }> {
    vi.useFakeTimers();
    const wire = scriptedWire("ndjson");
    const followed = record(new BareSource(`http://hub.test/live?${query}`, { wire }));
    await vi.advanceTimersByTimeAsync(0);
    opens(wire.last, states, position);
    return { ...followed, wire };
  }
  const opens = ({ received }: ScriptedConnection, states: CometOpenEvent["states"], position: string): void =>
    received([{ open: { states, position, heartbeatMs: 0 } }]);
  const message = (topic: string, number: number): { id: string; data: { topic: string; number: number } } => ({
    id: `${topic}=e.${number}`,
    data: { topic, number },
  });
  const asked = ({ request: { url, position } }: ScriptedConnection): unknown => [
    url.searchParams.getAll("topic"),
    position,
  ];

  test("makes one reconnection for all changes of one task, with the positions of the topics that stay", async () => {
    const { source, wire, opens: opened } = await open();
    wire.last.received([message("a", 1), message("b", 1), message("a", 2)]);
    source.topics = [...source.topics, "c"];
    expect([source.topics, source.url]).toEqual([["a", "b", "c"], "http://hub.test/live?topic=a&topic=b&topic=c"]);
    source.topics = source.topics.filter((topic) => topic !== "b");
    await Promise.resolve();
    source.topics = new Set([...source.topics, "d", "d"]);
    expect([source.readyState, source.lastEventId]).toEqual([0, "a=e.2"]);
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.connections.map(({ isClosed }) => isClosed)).toEqual([true, false]);
    expect(asked(wire.last)).toEqual([["a", "c", "d"], "a=e.2"]);
    opens(wire.last, { a: "recovered", c: "fresh", d: "fresh" }, "a=e.2,c=e.4,d=e.0");
    expect(source.readyState).toBe(1);
    expect(opened.at(-1)).toEqual({ a: "recovered", c: "fresh", d: "fresh" });
  });

  test("dispatches no message of a topic that is left out, not even of the same batch", async () => {
    const { source, wire, numbers } = await open();
    source.addEventListener("message", () => void (source.topics = ["a"]));
    wire.last.received([message("a", 1), message("b", 1), message("a", 2)]);
    wire.last.received([message("b", 2)]);
    await vi.advanceTimersByTimeAsync(0);
    expect([numbers, asked(wire.last)]).toEqual([{ a: [1] }, [["a"], "a=e.1"]]);
    opens(wire.last, { a: "recovered" }, "a=e.1");
    wire.last.received([message("a", 2)]);
    expect(numbers).toEqual({ a: [1, 2] });
  });

  test("begins a topic anew that was left out before", async () => {
    const states = { a: "fresh", "ä b": "fresh" } as const;
    const { source, wire, faults } = await open("topic=a&topic=%C3%A4%20b", states, "a=e.0,%C3%A4%20b=e.0");
    wire.last.received([{ ended: { topic: "ä b", outcome: "complete", position: "%C3%A4%20b=e.7" } }]);
    source.topics = ["a"];
    await vi.advanceTimersByTimeAsync(0);
    opens(wire.last, { a: "recovered" }, "a=e.0");
    source.topics = ["a", "ä b"];
    await vi.advanceTimersByTimeAsync(0);
    expect(asked(wire.last)).toEqual([["a", "ä b"], "a=e.0"]);
    opens(wire.last, { a: "recovered", "ä b": "fresh" }, "a=e.0,%C3%A4%20b=e.0");
    const ends: string[] = [];
    source.onended = ({ topic }) => void ends.push(topic);
    wire.last.received([{ ended: { topic: "ä b", outcome: "complete", position: "%C3%A4%20b=e.7" } }]);
    expect([ends, faults]).toEqual([["ä b"], []]);
  });

  test("does nothing if the topics are the same", async () => {
    const { source, wire } = await open("topic=a&topic=b&from=oldest");
    source.topics = ["b", "a", "b"];
    await vi.advanceTimersByTimeAsync(0);
    expect([wire.connections.length, source.readyState]).toEqual([1, 1]);
  });

  test("keeps the positions of topics that the address does not name", async () => {
    const { source, wire } = await open("");
    wire.last.received([message("a", 1), message("b", 3)]);
    source.topics = ["c"];
    await vi.advanceTimersByTimeAsync(0);
    expect(asked(wire.last)).toEqual([["c"], "a=e.1,b=e.3"]);
  });

  test("closes once the topics that stay have ended, though one that was left out has not", async () => {
    const { source, wire, closes, faults } = await open();
    wire.last.received([{ ended: { topic: "a", outcome: "complete", position: "a=e.1" } }]);
    source.topics = ["a"];
    await vi.advanceTimersByTimeAsync(0);
    wire.last.broken({ code: "ERR_TOPIC_EXPIRED", detail: "", status: 410 });
    expect([closes, faults, source.outcome]).toEqual([["gone"], [], "complete"]);
  });

  test("does nothing once the source is closed", async () => {
    const { source, wire } = await open();
    source.close();
    source.topics = ["c"];
    source.reconnect();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([wire.connections.length, source.readyState]).toEqual([1, 2]);
  });

  test("reconnects from the position and ends a backoff, no sooner than the server allows", async () => {
    const { source, wire, faults, opens: opened } = await open();
    wire.last.received([message("a", 1)]);
    source.reconnect();
    source.reconnect();
    expect([wire.last.isClosed, source.readyState]).toEqual([true, 0]);
    await vi.advanceTimersByTimeAsync(0);
    expect([wire.connections.length, wire.last.request.position]).toEqual([2, "a=e.1,b=e.0"]);
    opens(wire.last, { a: "recovered", b: "recovered" }, "a=e.1,b=e.0");
    expect([source.readyState, opened.length, faults]).toEqual([1, 2, []]);
    vi.spyOn(Math, "random").mockReturnValue(1);
    onTestFinished(() => void vi.restoreAllMocks());
    wire.last.broken({ code: "ERR_NETWORK", detail: "" });
    source.reconnect();
    await vi.advanceTimersByTimeAsync(0);
    expect(wire.connections).toHaveLength(3);
    wire.last.broken({ code: "ERR_LIMIT", detail: "", status: 503, retryMs: 5000 });
    source.reconnect();
    await vi.advanceTimersByTimeAsync(4999);
    expect(wire.connections).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(wire.connections).toHaveLength(4);
  });

  test("sends at most one request a second after ten if a page reconnects at each error", async () => {
    vi.useFakeTimers();
    const times: number[] = [];
    const wire: ClientWire = {
      name: "ndjson",
      open: (_, { broken }) => {
        times.push(Date.now());
        queueMicrotask(() => broken({ code: "ERR_NETWORK", detail: "" }));
        return () => undefined;
      },
    };
    const { source } = record(new BareSource("http://hub.test/live?topic=a", { wire }));
    source.onerror = () => source.reconnect();
    await vi.advanceTimersByTimeAsync(60_000);
    const pauses = times.slice(1).map((time, i) => time - (times[i] as number));
    expect(times.length).toBeGreaterThan(50);
    expect(Math.min(...pauses.slice(9))).toBeGreaterThanOrEqual(1000);
  });
});

test.each([
  ["ndjson", { wires: [ndjson] }],
  ["sse", { wires: [sse] }],
  ["poll", { wires: [poll] }],
  ["ndjson and across tabs", { wires: [ndjson], share: acrossTabs }],
])("loses and doubles nothing over %s while topics come and go under load", async (_, options) => {
  const { hub, origin } = await serveHub({ pollMs: 50, log: { maxEntries: 100_000 } });
  const last: Record<string, number> = { kept: 0, other: 0 };
  let isOver = false as boolean;
  const publishing = (async () => {
    while (!isOver) {
      for (const topic of Object.keys(last)) {
        const number = (last[topic] as number) + 1;
        last[topic] = number;
        await hub.topic(topic).publish({ topic, number });
      }
      await turns(1);
    }
  })();
  onTestFinished(() => void (isOver = true));
  const { source, numbers, faults, opens } = follow(`${origin}/?topic=kept`, options);
  await until(() => opens.length === 1);
  for (let round = 1; round <= 8; round += 1) {
    const opened = opens.length;
    source.topics = ["kept", "other"];
    await until(
      () => opens.length > opened && "other" in (opens.at(-1) as object) && (numbers["other"]?.length ?? 0) > 3,
    );
    const others = (numbers["other"] as number[]).splice(0);
    // It begins as a new topic does, and is complete from there.
    expect(others).toEqual(Array.from(others, (_, i) => (others[0] as number) + i));
    if (round % 2 === 0) source.reconnect();
    source.topics = ["kept"];
    const had = numbers["kept"]?.length ?? 0;
    await until(() => (numbers["kept"]?.length ?? 0) > had + 3);
    expect(numbers["other"]).toEqual([]);
  }
  isOver = true;
  await publishing;
  await until(() => numbers["kept"]?.at(-1) === last["kept"]);
  const kept = numbers["kept"] as number[];
  expect(kept).toEqual(Array.from(kept, (_, i) => (kept[0] as number) + i));
  expect(faults).toEqual([]);
});

test("delivers a finite topic anew over a connection that tabs share, after it was left out", async () => {
  const { hub, origin } = await serveHub({ topics: (name) => name !== "job" || { finite: true } });
  const job = hub.topic<Numbered>("job");
  for (const number of [1, 2]) await job.publish({ topic: "job", number });
  await job.end();
  const { source, numbers, closes, faults } = follow(`${origin}/?topic=a&topic=job`, {
    wires: [ndjson],
    share: acrossTabs,
  });
  let ends = 0;
  source.onended = () => void (ends += 1);
  await until(() => ends === 1);
  source.topics = ["a"];
  await turns();
  source.topics = ["job"];
  await until(() => closes.length === 1);
  expect([numbers, ends, closes, faults]).toEqual([{ job: [1, 2, 1, 2] }, 2, ["gone"], []]);
});

test("reconnects with new headers, as after a login", async () => {
  const asked: (string | null)[] = [];
  const { hub, origin } = await serveHub({
    authorize: ({ headers }) => {
      asked.push(headers.get("authorization"));
      return true;
    },
  });
  let user = "anonymous";
  const { source, numbers, opens, faults } = follow(`${origin}/?topic=a`, {
    wires: [ndjson],
    headers: () => ({ authorization: user }),
  });
  await until(() => opens.length === 1);
  await hub.topic("a").publish({ topic: "a", number: 1 });
  await until(() => numbers["a"]?.length === 1);
  user = "ada";
  source.reconnect();
  await hub.topic("a").publish({ topic: "a", number: 2 });
  await until(() => opens.length === 2 && numbers["a"]?.length === 2);
  expect([asked, numbers, faults]).toEqual([["anonymous", "ada"], { a: [1, 2] }, []]);
});

test("reconnects without effect on topics that the server's handler names", async () => {
  const { hub } = notedHub();
  const handle = fetchHandler(hub, () => ({ topics: ["server"] }));
  const requests: string[] = [];
  const fetched = vi.spyOn(globalThis, "fetch").mockImplementation((input, init) => {
    const request = new Request(input, init);
    requests.push(request.url);
    return handle(request);
  });
  onTestFinished(() => fetched.mockRestore());
  const { source, numbers, opens } = follow("http://hub.test/live", { wires: [ndjson] });
  await until(() => opens.length === 1);
  await hub.topic("server").publish({ topic: "server", number: 1 });
  await until(() => numbers["server"]?.length === 1);
  source.topics = ["other"];
  await until(() => requests.length === 2);
  await hub.topic("other").publish({ topic: "other", number: 1 });
  await hub.topic("server").publish({ topic: "server", number: 2 });
  await until(() => numbers["server"]?.length === 2);
  expect([numbers, opens.at(-1)]).toEqual([{ server: [1, 2] }, { server: "recovered" }]);
});
