import type { EventSourceCase } from "./case.ts";

/** Sends messages in one piece. */
const twoAtOnce: EventSourceCase["serve"] = ({ open, write, batch }) => {
  open();
  write(batch("1", "2"));
};

/** The events of a source: their members, their order and their listeners. */
export const eventCases: readonly EventSourceCase[] = [
  {
    name: "dispatches open as a plain event",
    page: `
      const source = new EventSource(url);
      const event = await new Promise((resolve) => (source.onopen = resolve));
      const { type, bubbles, cancelable, target } = event;
      return [type, bubbles, cancelable, target === source, event instanceof MessageEvent, Object.hasOwn(event, "data")];`,
    expected: ["open", false, false, true, false, false],
  },
  {
    name: "calls onmessage with a message",
    page: `
      const source = new EventSource(url);
      const event = await new Promise((resolve) => (source.onmessage = resolve));
      return [event.type, event.data];`,
    expected: ["message", "data"],
  },
  {
    name: "calls a listener with a message",
    page: `
      const source = new EventSource(url);
      return new Promise((resolve) => source.addEventListener("message", ({ data }) => resolve(data), false));`,
    expected: "data",
  },
  {
    name: "calls a listener that is an object",
    page: `
      const source = new EventSource(url);
      return new Promise((resolve) => {
        const listener = { handleEvent(event) { resolve([event.data, this === listener]); } };
        source.addEventListener("message", listener);
      });`,
    expected: ["data", true],
  },
  {
    name: "gives a message the members of a MessageEvent",
    page: `
      const source = new EventSource(url);
      const event = await next(source, "message");
      const { bubbles, cancelable, defaultPrevented, composed, origin, lastEventId, ports, target } = event;
      return [
        bubbles, cancelable, defaultPrevented, composed, origin === location.origin, lastEventId, event.source,
        ports.length, target === source, event instanceof MessageEvent, event instanceof Event,
        typeof event.timeStamp,
      ];`,
    expected: [false, false, false, false, true, "t=e.1", null, 0, true, true, true, "number"],
  },
  {
    name: "gives a message that is trusted",
    page: `return (await next(new EventSource(url), "message")).isTrusted;`,
    expected: true,
    instead: { sse: false, ndjson: false },
  },
  {
    name: "makes messages in the realm of its class",
    page: `
      const inner = await frame();
      const event = await next(new inner.EventSource(url), "message");
      return [event instanceof inner.window.MessageEvent, event instanceof MessageEvent];`,
    expected: [true, false],
  },
  {
    name: "calls handlers and listeners with the source as this and as currentTarget",
    page: `
      const source = new EventSource(url);
      const seen = [];
      source.onopen = function ({ currentTarget }) { seen.push(this === source, currentTarget === source); };
      source.onmessage = function ({ currentTarget }) { seen.push(this === source, currentTarget === source); };
      await new Promise((resolve) => source.addEventListener("message", function ({ currentTarget }) {
        seen.push(this === source, currentTarget === source);
        resolve();
      }));
      return seen;`,
    expected: [true, true, true, true, true, true],
  },
  {
    name: "has no current target after the dispatch",
    page: `
      const source = new EventSource(url);
      const event = await next(source, "message");
      await requests(1);
      return [event.currentTarget === source, event.composedPath().length, event.target === source];`,
    expected: [false, 0, true],
    instead: { sse: [true, 0, true], ndjson: [true, 0, true] },
  },
  {
    name: "calls a handler in its place among the listeners",
    page: `
      const source = new EventSource(url);
      const order = [];
      source.addEventListener("message", () => order.push("before"));
      source.onmessage = () => order.push("handler");
      source.addEventListener("message", () => order.push("after"));
      await next(source, "message");
      return order;`,
    expected: ["before", "handler", "after"],
    instead: { sse: ["handler", "before", "after"], ndjson: ["handler", "before", "after"] },
  },
  {
    name: "calls the handler that was set last, and none that was taken away",
    page: `
      const source = new EventSource(url);
      const calls = [];
      source.onopen = () => calls.push("open");
      source.onopen = null;
      source.onmessage = () => calls.push("first");
      source.onmessage = () => calls.push("second");
      await next(source, "message");
      return calls;`,
    expected: ["second"],
  },
  {
    name: "calls a listener once, however often it is added, and not after it was removed",
    serve: twoAtOnce,
    page: `
      const source = new EventSource(url);
      const calls = [];
      const kept = ({ data }) => calls.push("kept " + data);
      const removed = () => calls.push("removed");
      source.addEventListener("message", removed);
      source.addEventListener("message", kept);
      source.addEventListener("message", kept);
      source.removeEventListener("message", removed);
      await new Promise((resolve) => source.addEventListener("message", ({ data }) => data === "2" && resolve()));
      return calls;`,
    expected: ["kept 1", "kept 2"],
  },
  {
    name: "heeds the options once and signal of a listener",
    serve: twoAtOnce,
    page: `
      const source = new EventSource(url);
      const controller = new AbortController();
      const calls = [];
      source.addEventListener("message", ({ data }) => calls.push("once " + data), { once: true });
      source.addEventListener("message", ({ data }) => { calls.push("signal " + data); controller.abort(); }, controller);
      await new Promise((resolve) => source.addEventListener("message", ({ data }) => data === "2" && resolve()));
      return calls;`,
    expected: ["once 1", "signal 1"],
  },
  {
    name: "does not call a listener that another one has removed or added",
    serve: ({ send }) => send("1"),
    page: `
      const source = new EventSource(url);
      const calls = [];
      const removed = () => calls.push("removed");
      const last = new Promise((resolve) => {
        source.addEventListener("message", () => {
          calls.push("first");
          source.removeEventListener("message", removed);
          source.addEventListener("message", () => calls.push("added"));
        });
        source.addEventListener("message", removed);
        source.addEventListener("message", () => { calls.push("last"); resolve(); });
      });
      await last;
      return calls;`,
    expected: ["first", "last"],
  },
  {
    name: "calls the next listener after one that throws",
    page: `
      const source = new EventSource(url);
      const uncaught = new Promise((resolve) => addEventListener("error", (event) => {
        if (!event.message?.includes("thrown on purpose")) return;
        event.preventDefault();
        resolve("reported");
      }));
      source.addEventListener("message", () => { throw new Error("thrown on purpose"); });
      const { data } = await next(source, "message");
      return [data, await uncaught];`,
    expected: ["data", "reported"],
  },
  {
    name: "calls no further listener after stopImmediatePropagation",
    page: `
      const source = new EventSource(url);
      const calls = [];
      source.addEventListener("message", (event) => { calls.push(1); event.stopImmediatePropagation(); });
      source.addEventListener("message", () => calls.push(2));
      await next(source, "open");
      await later();
      return calls;`,
    expected: [1],
    instead: { sse: [1, 2], ndjson: [1, 2] },
  },
  {
    name: "dispatches an event of the page's own",
    page: `
      const source = new EventSource(url);
      const seen = [];
      source.onmessage = (event) => { seen.push(event.data); event.preventDefault(); };
      source.addEventListener("own", ({ type }) => seen.push(type));
      const first = source.dispatchEvent(new MessageEvent("message", { data: "mine", cancelable: true }));
      return [first, source.dispatchEvent(new Event("own")), seen];`,
    expected: [false, true, ["mine", "own"]],
  },
  {
    name: "allows the page to dispatch a message again",
    page: `
      const event = await next(new EventSource(url), "message");
      const target = new EventTarget();
      const again = next(target, "message");
      await requests(1);
      try { target.dispatchEvent(event); } catch (error) { return error.name; }
      return (await again).data;`,
    expected: "data",
    instead: { sse: "TypeError", ndjson: "TypeError" },
  },
  {
    name: "dispatches a named message to the listeners of its name alone",
    serve: ({ open, write, frame }) => {
      open();
      write(frame("1", "named") + frame("2"));
    },
    page: `
      const source = new EventSource(url);
      const seen = [];
      source.addEventListener("named", ({ type, data }) => seen.push([type, data]));
      await new Promise((resolve) => (source.onmessage = ({ type, data }) => { seen.push([type, data]); resolve(); }));
      return seen;`,
    expected: [
      ["named", "1"],
      ["message", "2"],
    ],
  },
  {
    name: "dispatches a message whose name is message to onmessage",
    serve: ({ send }) => send("1", "message"),
    page: `return (await next(new EventSource(url), "message")).data;`,
    expected: "1",
  },
  {
    name: "dispatches messages of several names in the order in which they were sent",
    serve: ({ open, write, frame }) => {
      open();
      write(["b", "a", "message", "b", "a"].map((name, i) => frame(String(i), name)).join(""));
    },
    page: `
      const source = new EventSource(url);
      const seen = [];
      await new Promise((resolve) => {
        for (const name of ["a", "message", "b"])
          source.addEventListener(name, ({ data }) => { seen.push(name + data); if (data === "4") resolve(); });
      });
      return seen;`,
    expected: ["b0", "a1", "message2", "b3", "a4"],
  },
  {
    name: "runs the page's microtasks between messages that arrive together",
    serve: ({ open, write, batch }) => {
      open();
      write(batch(...Array.from({ length: 500 }, (_, i) => String(i))));
    },
    page: `
      const source = new EventSource(url);
      let isBetween = true;
      await new Promise((resolve) => {
        let newest;
        source.onmessage = async ({ data }) => {
          newest = data;
          await undefined;
          if (newest !== data) isBetween = false;
          if (data === "499") resolve();
        };
      });
      return isBetween;`,
    expected: true,
    instead: { sse: false, ndjson: false },
  },
];
