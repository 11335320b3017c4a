import { expect, onTestFinished, test } from "vitest";
import { BareSource, type CometMessageEvent } from "../../../src/client/index.ts";
import { scriptedWire, type ScriptedConnection } from "../../support/scripted-wire.ts";
import { turns } from "../../support/sources.ts";

/** A source on a scripted wire with the topics `a` and `b`, which has opened. */
async function follow(): Promise<{ source: BareSource; connection: ScriptedConnection }> {
  const wire = scriptedWire("ndjson");
  const source = new BareSource("http://hub.test/live?topic=a&topic=b", { wire });
  onTestFinished(() => source.close());
  await turns();
  const states = { a: "fresh", b: "fresh" } as const;
  wire.last.received([{ open: { states, position: "a=e.0,b=f.0", heartbeatMs: 0 } }]);
  return { source, connection: wire.last };
}

/** The next uncaught errors of the process. */
function uncaught(): unknown[] {
  const errors: unknown[] = [];
  const others = process.rawListeners("uncaughtException") as ((error: Error) => void)[];
  process.removeAllListeners("uncaughtException").on("uncaughtException", (error) => void errors.push(error));
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of others) process.on("uncaughtException", listener);
  });
  return errors;
}

test("gives a message the members of a MessageEvent", async () => {
  const { source, connection } = await follow();
  const events: MessageEvent[] = [];
  source.onmessage = (event) => void events.push(event);
  connection.received([{ id: "a=e.1", data: { x: 1 }, key: "k", messageId: "m" }]);
  const [event] = events as [CometMessageEvent];
  expect(event).toBeInstanceOf(MessageEvent);
  expect(event).toBeInstanceOf(Event);
  expect({ ...event }).toMatchObject({ type: "message", data: { x: 1 }, key: "k", messageId: "m" });
  expect(event.origin).toBe("http://hub.test");
  expect([event.target, event.currentTarget]).toEqual([source, source]);
  const blank = new MessageEvent("message");
  for (const name of ["bubbles", "cancelable", "composed", "defaultPrevented", "isTrusted", "source"] as const)
    expect([name, event[name]]).toEqual([name, blank[name]]);
  expect(event.ports).toEqual([]);
  expect(event.composedPath()).toEqual([]);
  event.preventDefault();
  event.stopPropagation();
  event.stopImmediatePropagation();
  expect(event.defaultPrevented).toBe(false);
  const before = performance.now();
  expect(event.timeStamp).toBeGreaterThanOrEqual(before);
});

test("composes the position after a message, even when later messages have moved it", async () => {
  const { source, connection } = await follow();
  const events: MessageEvent[] = [];
  source.onmessage = (event) => void events.push(event);
  for (const id of ["a=e.1", "b=f.1", "a=e.2"]) connection.received([{ id, data: 0 }]);
  expect(events.map(({ lastEventId }) => lastEventId)).toEqual(["a=e.1,b=f.0", "a=e.1,b=f.1", "a=e.2,b=f.1"]);
  expect(source.lastEventId).toBe("a=e.2,b=f.1");
});

test("calls listeners as the browser does", async () => {
  const { source, connection } = await follow();
  const calls: string[] = [];
  const { signal, abort } = ((controller) => ({ signal: controller.signal, abort: () => controller.abort() }))(
    new AbortController(),
  );
  const twice = (): unknown => calls.push("twice");
  const removed = (): unknown => calls.push("removed");
  const added = (): unknown => calls.push("added");
  source.addEventListener("message", function (this: unknown) {
    calls.push(this === source ? "this" : "another this");
    source.removeEventListener("message", removed);
    source.addEventListener("message", added);
  } as () => void);
  source.addEventListener("message", twice);
  source.addEventListener("message", twice);
  source.addEventListener("message", removed);
  source.addEventListener("message", null);
  source.addEventListener("message", () => void calls.push("once"), { once: true });
  source.addEventListener("message", () => void calls.push("until aborted"), { signal });
  source.addEventListener("message", () => void calls.push("never"), { signal: AbortSignal.abort() });
  source.addEventListener("message", { handleEvent: ({ data }) => void calls.push(`object ${String(data)}`) });
  source.addEventListener("tick", () => void calls.push("tick"));
  source.onmessage = () => void calls.push("onmessage");
  connection.message(1);
  expect(calls.splice(0)).toEqual(["onmessage", "this", "twice", "once", "until aborted", "object 1"]);
  abort();
  connection.message(2);
  expect(calls.splice(0)).toEqual(["onmessage", "this", "twice", "object 2", "added"]);
  connection.received([{ id: "a=e.3", event: "tick", data: 0 }]);
  expect(calls).toEqual(["tick"]);
});

test("reports an error of a listener as uncaught, and calls the next one", async () => {
  const { source, connection } = await follow();
  const errors = uncaught();
  const got: unknown[] = [];
  source.onmessage = () => {
    throw new Error("of the page's own");
  };
  source.addEventListener("message", ({ data }) => void got.push(data));
  connection.message(1);
  connection.message(2);
  expect(got).toEqual([1, 2]);
  await turns();
  expect(errors).toMatchObject([{ message: "of the page's own" }, { message: "of the page's own" }]);
});

test("dispatches its own events as the browser does, and passes them no message of the same name", async () => {
  const { source, connection } = await follow();
  const events: Event[] = [];
  source.addEventListener("gap", (event) => {
    events.push(event);
    event.stopImmediatePropagation();
  });
  source.ongap = (event) => void events.push(event);
  source.addEventListener("gap", () => expect.fail("after stopImmediatePropagation"));
  connection.received([{ id: "a=e.1", event: "gap", data: 0 }]);
  expect(events).toEqual([]);
  connection.received([{ gap: { topic: "b", missed: null, position: "b=g.1" } }]);
  expect(events.map(({ type, target }) => [type, target === source])).toEqual([
    ["gap", true],
    ["gap", true],
  ]);
  expect(new EventTarget().dispatchEvent(events[0] as Event)).toBe(true);
});
