import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { CometErrorEvent, CometMessageEvent } from "../../../src/client/index.ts";
import { serveHub } from "../../support/hub.ts";
import { havePage } from "../../support/page.ts";
import { scriptedWire } from "../../support/scripted-wire.ts";
import { until } from "../../support/sources.ts";

const { document, leave } = havePage([
  "document",
  "customElements",
  "HTMLElement",
  "Event",
  "EventTarget",
  "MessageEvent",
]);
/** Imported after the page exists, since its classes extend the page's. */
const client = await import("../../../src/client/index.ts");

beforeAll(() => client.defineCometSource("comet-source", { wires: [client.ndjson] }));
afterEach(() => document.body.replaceChildren());
afterAll(leave);

const types = ["open", "message", "tick", "gap", "ended", "missing", "error", "close"];

/** An element in the page, and its events. */
function place(
  src: string | undefined,
  name = "comet-source",
): { element: Element; events: Event[]; of: (type: string) => Event[] } {
  const element = document.createElement(name);
  const events: Event[] = [];
  const around = document.createElement("div");
  for (const type of types) element.addEventListener(type, (event) => events.push(event));
  for (const type of types) around.addEventListener(type, ({ type: bubbled }) => expect.fail(`${bubbled} has bubbled`));
  around.append(element);
  if (src !== undefined) element.setAttribute("src", src);
  document.body.append(around);
  return { element, events, of: (type) => events.filter((event) => event.type === type) };
}

test("dispatches the source's events, whatever the names of messages, and they do not bubble", async () => {
  const { hub, origin } = await serveHub();
  const { element, events, of } = place(`${origin}/?topic=a`);
  await until(() => of("open").length === 1);
  await hub.topic("a").publish({ title: "x" });
  await hub.topic("a").publish(2, { event: "tick", key: "k" });
  await until(() => events.length === 3);
  expect(events.map(({ type, target }) => [type, target === element])).toEqual([
    ["open", true],
    ["message", true],
    ["tick", true],
  ]);
  expect(events[0]).toMatchObject({ states: { a: "fresh" }, wire: "ndjson" });
  expect((events[1] as CometMessageEvent).data).toEqual({ title: "x" });
  expect(events[2]).toMatchObject({ data: 2, key: "k" });
  // They are the browser's own events, so that the page can dispatch them.
  for (const event of events.slice(1)) expect(Object.getPrototypeOf(event)).toBe(MessageEvent.prototype);
});

test("connects only while it is in the document", async () => {
  const server = await serveHub();
  const { origin, opened, reasons } = server;
  const element = document.createElement("comet-source");
  element.setAttribute("src", `${origin}/?topic=a`);
  // A later request comes after one of the element's would have come.
  await (await server.follow("topic=b&wire=poll&wait=0")).ended();
  const topics = (): string[] => opened.flatMap((subscription) => subscription.topics);
  expect(topics()).toEqual(["b"]);
  document.body.append(element);
  await until(() => opened.length === 2);
  element.remove();
  await until(() => reasons.length === 2);
  document.body.append(element);
  await until(() => opened.length === 3);
  expect(topics()).toEqual(["b", "a", "a"]);
});

test("follows a new src, ignores the same src and other attributes, and closes without src", async () => {
  const { hub, origin, opened, reasons } = await serveHub();
  const { element, of } = place(`${origin}/?topic=a`);
  await until(() => of("open").length === 1);
  element.setAttribute("src", `${origin}/?topic=a`);
  element.setAttribute("title", "x");
  element.setAttribute("src", `${origin}/?topic=b`);
  await until(() => of("open").length === 2 && reasons.length === 1);
  await hub.topic("a").publish("old");
  await hub.topic("b").publish("new");
  await until(() => of("message").length === 1);
  expect((of("message")[0] as CometMessageEvent).data).toBe("new");
  element.removeAttribute("src");
  await until(() => reasons.length === 2);
  expect(opened).toHaveLength(2);
});

test("does nothing without a src, and dispatches ERR_URL for an invalid one", () => {
  expect(place(undefined).events).toEqual([]);
  expect((place("http://").events[0] as CometErrorEvent | undefined)?.code).toBe("ERR_URL");
});

test("dispatches error and close after a refusal", async () => {
  const { origin } = await serveHub({ authorize: () => 403 });
  const { events, of } = place(`${origin}/?topic=a`);
  await until(() => of("close").length === 1);
  expect(events).toMatchObject([
    { code: "ERR_FORBIDDEN", retryMs: null },
    { reason: "error", outcome: "failed" },
  ]);
});

test("dispatches the ends of topics, missing topics and the outcome", async () => {
  const wire = scriptedWire("ndjson");
  client.defineCometSource("finite-source", { wires: [wire] });
  const { events, of } = place("http://hub.test/?topic=a&topic=b", "finite-source");
  await until(() => wire.connections.length === 1);
  wire.last.opens();
  wire.last.received([
    { ended: { topic: "a", outcome: "complete", position: "a=e.1" } },
    { missing: { topic: "b", status: 404 } },
    { end: { reason: "gone", position: "", retryMs: null } },
  ]);
  await until(() => of("close").length === 1);
  expect(events.slice(1)).toMatchObject([
    { type: "ended", topic: "a", outcome: "complete" },
    { type: "missing", topic: "b", status: 404 },
    { type: "error", code: "ERR_TOPIC_UNKNOWN", retryMs: null },
    { type: "close", reason: "gone", outcome: "failed" },
  ]);
});

test("can be defined twice, and under another name", async () => {
  client.defineCometSource();
  client.defineCometSource("other-source", { wires: [client.poll] });
  const { origin, opened } = await serveHub();
  const element = document.createElement("other-source");
  element.setAttribute("src", `${origin}/?topic=a`);
  document.body.append(element);
  await until(() => opened.length >= 1);
  expect(opened[0]?.wire).toBe("poll");
});
