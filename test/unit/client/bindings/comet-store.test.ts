import { describe, expect, onTestFinished, test } from "vitest";
import {
  cometStore,
  storeKey,
  type CometStore,
  type UseCometOptions,
} from "../../../../src/client/bindings/comet-store.ts";
import { ndjson, poll, postedComet } from "../../../../src/client/index.ts";
import { scriptedWire, type ScriptedWire } from "../../../support/scripted-wire.ts";
import { turns, until } from "../../../support/sources.ts";

let count = 0;

/** A store of an address that no other test has, on a wire that the test scripts. */
function opened(options: UseCometOptions = {}): {
  readonly store: CometStore;
  readonly wire: ScriptedWire;
  readonly url: string;
  readonly data: () => unknown[];
} {
  const wire = scriptedWire("ndjson");
  const url = `http://store-${(count += 1)}.test/?topic=a`;
  const store = cometStore(url, { ...options, wires: [wire] });
  return { store, wire, url, data: () => store.getSnapshot().history.map(({ data }) => data as unknown) };
}

/** Subscribes until the test is over, and sends so many messages. */
async function received({ store, wire }: ReturnType<typeof opened>, messages: number): Promise<void> {
  onTestFinished(store.subscribe(() => undefined));
  await until(() => wire.connections.length === 1);
  wire.last.opens();
  for (let i = 1; i <= messages; i += 1) wire.last.message(i, i);
  await until(() => store.getSnapshot().data === messages);
}

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe("the history", () => {
  test.each([
    [undefined, range(6, 105)],
    [3, [103, 104, 105]],
    [1, [105]],
    [0, []],
    [-1, []],
    [Infinity, range(1, 105)],
  ])("with the option %s holds the newest messages", async (history, expected) => {
    const one = opened(history === undefined ? {} : { history });
    await received(one, 105);
    expect(one.data()).toEqual(expected);
    expect(one.store.getSnapshot().message?.data).toBe(105);
  });
});

describe("subscribers", () => {
  test("of equal addresses and options share a source, which opens for the first and not before", async () => {
    const { store, wire, url } = opened();
    const equal = cometStore(url, { wires: [wire], onMessage: () => undefined });
    const other = cometStore(url, { wires: [wire], history: 5 });
    expect(store.getSnapshot()).toBe(store.initial);
    await turns();
    expect(wire.connections).toHaveLength(0);
    onTestFinished(store.subscribe(() => undefined));
    onTestFinished(equal.subscribe(() => undefined));
    await until(() => wire.connections.length === 1);
    wire.last.opens();
    expect([store, equal, other].map(({ getSnapshot }) => getSnapshot().state)).toEqual(["open", "open", "connecting"]);
    expect(equal.getSnapshot()).toBe(store.getSnapshot());
    onTestFinished(other.subscribe(() => undefined));
    await until(() => wire.connections.length === 2);
  });

  test("keep the source if one leaves twice, and close it after the last has left", async () => {
    const { store, wire } = opened();
    const leave = store.subscribe(() => undefined);
    const leaveToo = store.subscribe(() => undefined);
    await until(() => wire.connections.length === 1);
    wire.last.opens();
    leave();
    leave();
    wire.last.message(1, 1);
    expect(store.getSnapshot().data).toBe(1);
    leaveToo();
    await until(() => wire.connections[0]?.isClosed === true);
    expect(store.getSnapshot()).toBe(store.initial);
  });

  test("that return within a second find the source open, and it stays open", async () => {
    const { store, wire } = opened();
    const other = opened();
    store.subscribe(() => undefined)();
    onTestFinished(store.subscribe(() => undefined));
    other.store.subscribe(() => undefined)();
    await until(() => wire.connections.length === 1);
    wire.last.opens();
    // The second of the other store began later.
    await until(() => other.wire.connections[0]?.isClosed === true);
    wire.last.message(1, 1);
    expect([store.getSnapshot().data, wire.last.isClosed]).toEqual([1, false]);
  });

  test("do not get the message in which another subscriber removes them", async () => {
    const { store, wire } = opened();
    const got: string[] = [];
    let leave = (): void => undefined;
    const ignore = (): void => undefined;
    onTestFinished(
      store.subscribe(ignore, ({ data }) => {
        got.push(`one ${data}`);
        leave();
      }),
    );
    leave = store.subscribe(ignore, ({ data }) => got.push(`two ${data}`));
    await until(() => wire.connections.length === 1);
    wire.last.opens();
    wire.last.message(1, 1);
    wire.last.message(2, 2);
    expect(got).toEqual(["one 1", "one 2"]);
  });

  test("are all called if one of them throws, and the error is reported", async () => {
    const reported: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => reported.push(error));
    onTestFinished(() => {
      process.removeAllListeners("uncaughtException");
      for (const other of others) process.on("uncaughtException", other);
    });
    const { store, wire } = opened();
    const states: string[] = [];
    onTestFinished(
      store.subscribe(() => {
        throw new Error("of the component");
      }),
    );
    onTestFinished(store.subscribe(() => states.push(store.getSnapshot().state)));
    await until(() => wire.connections.length === 1);
    wire.last.opens();
    await until(() => reported.length === 1);
    expect([states, reported.map(String)]).toEqual([["open"], ["Error: of the component"]]);
  });

  test("get each message once, and a subscriber that a message adds gets the next ones", async () => {
    const { store, wire } = opened();
    const late: unknown[] = [];
    let isAdded = false;
    onTestFinished(
      store.subscribe(() => {
        if (store.getSnapshot().data === undefined || isAdded) return;
        isAdded = true;
        onTestFinished(
          store.subscribe(
            () => undefined,
            ({ data }) => late.push(data),
          ),
        );
        late.push(...store.getSnapshot().history.map(({ data }) => data as unknown));
      }),
    );
    await until(() => wire.connections.length === 1);
    wire.last.opens();
    wire.last.message(1, "one");
    wire.last.message(2, "two");
    expect(late).toEqual(["one", "two"]);
  });
});

describe("the key", () => {
  const headers = (): object => ({});
  const wire = postedComet();

  test.each([
    ["members in another order", { backoffMs: 1, history: 2 }, { history: 2, backoffMs: 1 }],
    ["members without a value", { backoffMs: 1, history: undefined }, { backoffMs: 1 }],
    ["functions for one component", { onMessage: () => 1 }, { onMessage: () => 2, select: () => 3 }],
    ["equal headers", { headers: { a: "1" } }, { headers: { a: "1" } }],
    ["equal instances of Headers", { headers: new Headers({ a: "1" }) }, { headers: new Headers({ a: "1" }) }],
    ["the same function and wires", { headers, wires: [wire, poll] }, { headers, wires: [wire, poll] }],
  ])("is equal for %s", (_, one, other) => {
    expect(storeKey("/live", one)).toBe(storeKey("/live", other));
  });

  test.each([
    ["a number", { history: 1 }, { history: 2 }],
    ["a header", { headers: { a: "1" } }, { headers: { a: "2" } }],
    ["a header of an instance", { headers: new Headers({ a: "1" }) }, { headers: new Headers({ a: "2" }) }],
    ["a header with the name of an option", { headers: { select: "1" } }, { headers: { select: "2" } }],
    ["a function", { headers }, { headers: () => ({}) }],
    ["a wire", { wires: [wire] }, { wires: [postedComet()] }],
    ["the order of wires", { wires: [ndjson, poll] }, { wires: [poll, ndjson] }],
  ])("differs by %s", (_, one, other) => {
    expect(storeKey("/live", one)).not.toBe(storeKey("/live", other));
  });

  test("differs by the address", () => {
    expect(storeKey("/a")).not.toBe(storeKey("/b"));
    expect(storeKey(new URL("http://a.test/"))).toBe(storeKey("http://a.test/"));
  });
});
