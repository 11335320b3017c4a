import { createElement, StrictMode, useEffect, type FunctionComponent } from "react";
import { renderToString } from "react-dom/server";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { ndjson, type CometMessageEvent } from "../../../../src/client/index.ts";
import { useComet, type CometState, type UseCometOptions } from "../../../../src/client/bindings/react.ts";
import { serveHub } from "../../../support/hub.ts";
import { havePage } from "../../../support/page.ts";
import { scriptedWire } from "../../../support/scripted-wire.ts";
import { until } from "../../../support/sources.ts";

const { document, leave } = havePage(["window", "document"]);
const { createRoot } = await import("react-dom/client");
afterAll(leave);

const options = { wires: [ndjson], backoffMs: 5, maxBackoffMs: 20 } as const;

/** A component that follows an address, and its states. */
function follower(
  url: Parameters<typeof useComet>[0],
  more: UseCometOptions = {},
): { Follower: FunctionComponent; states: CometState[]; now: () => CometState | undefined } {
  const states: CometState[] = [];
  const Follower = (): null => {
    states.push(useComet(url, { ...options, ...more }));
    return null;
  };
  return { Follower, states, now: () => states.at(-1) };
}

/** Renders in strict mode, until the test is over. */
function render(...components: FunctionComponent[]): { show: (...others: FunctionComponent[]) => void } {
  const root = createRoot(document.createElement("div"));
  onTestFinished(() => root.unmount());
  const show = (...others: FunctionComponent[]): void =>
    root.render(createElement(StrictMode, null, ...others.map((component, i) => createElement(component, { key: i }))));
  show(...components);
  return { show };
}

test("returns the newest message and calls onMessage with each, over one connection in strict mode", async () => {
  const { hub, origin, opened } = await serveHub();
  const all: CometMessageEvent[] = [];
  const { Follower, states, now } = follower(`${origin}/?topic=a`, { onMessage: (event) => all.push(event) });
  render(Follower);
  await until(() => now()?.state === "open");
  expect(states[0]).toEqual({ history: [], state: "connecting" });
  for (let i = 1; i <= 20; i += 1) await hub.topic("a").publish({ i }, i % 2 === 0 ? { event: "tick" } : {});
  await until(() => all.length === 20);
  await until(() => (now()?.data as { i: number } | undefined)?.i === 20);
  expect(all.map(({ data }) => (data as { i: number }).i)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(all[1]?.type).toBe("tick");
  expect(opened).toHaveLength(1);
});

test("shares one connection among components with one address, and closes it soon after the last unmounts", async () => {
  const { hub, origin, opened, reasons } = await serveHub();
  let isUnmounted = false;
  const Mounted = (): null => {
    useEffect(() => () => void (isUnmounted = true), []);
    return null;
  };
  const url = `${origin}/?topic=a`;
  const one = follower(url);
  const two = follower(url);
  const other = follower(`${origin}/?topic=b`);
  const { show } = render(one.Follower, two.Follower, other.Follower, Mounted);
  await until(() => one.now()?.state === "open" && other.now()?.state === "open");
  expect(opened).toHaveLength(2);
  await hub.topic("a").publish("x");
  await until(() => one.now()?.data === "x" && two.now()?.data === "x");
  expect(one.now()).toBe(two.now());
  expect(other.now()?.data).toBeUndefined();
  isUnmounted = false; // In strict mode, each effect is undone once at the beginning.
  show();
  await until(() => isUnmounted);
  show(one.Follower);
  // The component that mounted again in time has the same connection; the unused one is closed.
  await until(() => reasons.length === 1);
  await hub.topic("a").publish("y");
  await until(() => one.now()?.data === "y");
  expect([opened.length, reasons.length]).toEqual([2, 1]);
  show();
  await until(() => reasons.length === 2);
  show(two.Follower);
  await until(() => opened.length === 3);
  expect(two.now()?.data).toBeUndefined();
});

test("follows another address when the url changes", async () => {
  const { hub, origin } = await serveHub();
  const states: CometState[] = [];
  const Shown = ({ url }: { readonly url: string }): null => {
    states.push(useComet(url, options));
    return null;
  };
  await hub.topic("a").publish(1);
  const root = createRoot(document.createElement("div"));
  onTestFinished(() => root.unmount());
  root.render(createElement(Shown, { url: `${origin}/?topic=a&from=oldest` }));
  await until(() => states.at(-1)?.data === 1);
  root.render(createElement(Shown, { url: `${origin}/?topic=b` }));
  await until(() => states.at(-1)?.state === "open" && states.at(-1)?.data === undefined);
  await hub.topic("b").publish(2);
  await until(() => states.at(-1)?.data === 2);
});

test("is closed with an error after a refusal, and has the last gap", async () => {
  const server = await serveHub({ authorize: (_, topics) => (topics.includes("secret") ? 403 : true) });
  const refused = follower(`${server.origin}/?topic=secret`);
  const late = follower(`${server.origin}/?topic=a&lastEventId=a=other.7`);
  render(refused.Follower, late.Follower);
  await until(() => refused.now()?.state === "closed" && late.now()?.gap !== undefined);
  expect(refused.now()?.error).toMatchObject({ code: "ERR_FORBIDDEN", retryMs: null });
  await until(() => refused.now()?.outcome === "failed");
  expect(late.now()).toMatchObject({ state: "open", error: undefined });
});

test.each([
  ["complete", undefined],
  ["stopped", undefined],
  ["failed", "Too many rows."],
] as const)("is closed with the outcome %s at the end of its topic", async (outcome, detail) => {
  const wire = scriptedWire("ndjson");
  const { Follower, states, now } = follower(`http://${outcome}.test/?topic=a`, { wires: [wire] });
  render(Follower);
  await until(() => wire.connections.length === 1);
  wire.last.opens();
  wire.last.message(1, "last");
  const end = { topic: "a", outcome, code: "ERR_ROWS", message: "Too many rows.", position: "a=e.2" };
  wire.last.received([{ ended: end }]);
  await until(() => now()?.data === "last");
  expect(now()).toMatchObject({ state: "open", outcome: undefined, error: undefined });
  wire.last.received([{ end: { reason: "gone", position: "", retryMs: null } }]);
  await until(() => now()?.state === "closed" && now()?.outcome !== undefined);
  expect(now()).toMatchObject({ data: "last", outcome });
  expect(now()?.error?.detail).toBe(detail);
  expect(states.filter(({ error }) => error && error.type !== "error")).toEqual([]);
});

test("reports an error in one onMessage, and calls the others", async () => {
  const { hub, origin } = await serveHub();
  const reported: unknown[] = [];
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => reported.push(error));
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const other of others) process.on("uncaughtException", other);
  });
  const bad = follower(`${origin}/?topic=a`, {
    onMessage: () => {
      throw new Error("of the page's own");
    },
  });
  const good = follower(`${origin}/?topic=a`);
  render(bad.Follower, good.Follower);
  await until(() => good.now()?.state === "open");
  await hub.topic("a").publish(1);
  await hub.topic("a").publish(2);
  await until(() => good.now()?.data === 2);
  expect(reported.map(String)).toEqual(["Error: of the page's own", "Error: of the page's own"]);
});

test("is connecting on the server, and opens nothing", async () => {
  const server = await serveHub();
  const Shown = (): string => JSON.stringify(useComet(`${server.origin}/?topic=a`, options));
  expect(renderToString(createElement(Shown)).replaceAll("&quot;", '"')).toBe('{"history":[],"state":"connecting"}');
  // A later request comes after one of the component's would have come.
  await (await server.follow("topic=b&wire=poll&wait=0")).ended();
  expect(server.opened.map(({ topics }) => topics)).toEqual([["b"]]);
});

test("opens nothing without an address, and follows one that it gets later", async () => {
  const { hub, origin, opened } = await serveHub();
  for (const none of [null, undefined, false, ""] as const) {
    const { Follower, states, now } = follower(none);
    const { show } = render(Follower);
    await until(() => states.length > 0);
    expect(now()).toEqual({ history: [], state: "idle" });
    expect(renderToString(createElement(Follower))).toBe("");
    show();
  }
  const states: CometState[] = [];
  const Shown = ({ url }: { readonly url: string | null }): null => {
    states.push(useComet(url, options));
    return null;
  };
  const root = createRoot(document.createElement("div"));
  onTestFinished(() => root.unmount());
  root.render(createElement(Shown, { url: null }));
  await until(() => states.length > 0);
  expect(states.at(-1)?.state).toBe("idle");
  // An effect has run by now: a component that mounts later has opened its connection.
  const other = follower(`${origin}/?topic=b`);
  render(other.Follower);
  await until(() => other.now()?.state === "open");
  expect(opened.map(({ topics }) => topics)).toEqual([["b"]]);
  root.render(createElement(Shown, { url: `${origin}/?topic=a` }));
  await until(() => states.at(-1)?.state === "open");
  await hub.topic("a").publish(1);
  await until(() => states.at(-1)?.data === 1);
  root.render(createElement(Shown, { url: null }));
  await until(() => states.at(-1)?.state === "idle");
  expect(states.at(-1)?.data).toBeUndefined();
});

test("gives a component that mounts later the history, and calls its onMessage with further messages", async () => {
  const { hub, origin, opened } = await serveHub();
  const url = `${origin}/?topic=a&from=oldest`;
  const one = follower(url);
  const all: unknown[] = [];
  const late = follower(url, { onMessage: ({ data }) => all.push(data) });
  const { show } = render(one.Follower);
  for (const i of [1, 2]) await hub.topic("a").publish(i);
  await until(() => one.now()?.data === 2);
  show(one.Follower, late.Follower);
  await until(() => late.now()?.data === 2);
  expect(late.states[0]?.history.map(({ data }) => data as unknown)).toEqual([1, 2]);
  await hub.topic("a").publish(3);
  await until(() => late.now()?.data === 3);
  expect([all, opened.length]).toEqual([[3], 1]);
});

test("renders when the selected value changes, and no more often, though the selector returns a new object", async () => {
  const { hub, origin } = await serveHub();
  const renders = { parity: [] as unknown[], object: [] as unknown[] };
  const url = `${origin}/?topic=a`;
  const Parity = (): null => {
    const parity = useComet(url, {
      ...options,
      select: ({ data }: CometState<{ message: number }>) => data && data % 2,
    });
    useEffect(() => void renders.parity.push(parity));
    return null;
  };
  const Shown = (): null => {
    const object = useComet(url, { ...options, select: ({ data }: CometState<{ message: number }>) => ({ data }) });
    useEffect(() => void renders.object.push(object.data));
    return null;
  };
  const root = createRoot(document.createElement("div"));
  onTestFinished(() => root.unmount());
  root.render([createElement(Parity, { key: 1 }), createElement(Shown, { key: 2 })]);
  const all = follower(url);
  render(all.Follower);
  await until(() => all.now()?.state === "open");
  for (const i of [1, 3, 5, 6]) {
    await hub.topic("a").publish(i);
    await until(() => renders.object.at(-1) === i);
  }
  await until(() => renders.parity.at(-1) === 0);
  expect(renders.parity).toEqual([undefined, 1, 0]);
});

test("keeps its connection when functions are new in every render, and opens another when an option changes", async () => {
  const { hub, origin, opened, reasons } = await serveHub();
  const states: CometState[] = [];
  const Shown = ({ token }: { readonly token: string }): null => {
    const headers = { authorization: token };
    states.push(useComet(`${origin}/?topic=a`, { ...options, headers, share: (wire) => wire, onMessage: () => 0 }));
    return null;
  };
  const root = createRoot(document.createElement("div"));
  onTestFinished(() => root.unmount());
  root.render(createElement(Shown, { token: "one" }));
  await until(() => states.at(-1)?.state === "open");
  for (let i = 1; i <= 10; i += 1) {
    root.render(createElement(Shown, { token: "one" }));
    await hub.topic("a").publish(i);
    await until(() => states.at(-1)?.data === i);
  }
  expect([opened.length, reasons]).toEqual([1, []]);
  root.render(createElement(Shown, { token: "two" }));
  await until(() => reasons.length === 1);
  await until(() => states.at(-1)?.state === "open");
  expect(opened).toHaveLength(2);
});
