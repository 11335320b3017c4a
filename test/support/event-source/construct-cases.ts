import type { EventSourceCase } from "./case.ts";

/** What a new source is: its address, its members and its state before anything has arrived. */
export const constructCases: readonly EventSourceCase[] = [
  {
    name: "is connecting as soon as it is made, and open when it says so",
    page: `
      const source = new EventSource(url);
      const before = source.readyState;
      await next(source, "open");
      return [before, source.readyState];`,
    expected: [0, 1],
  },
  {
    name: "has the constants of its states, on the class and on each source",
    page: `
      const source = new EventSource(url);
      return [EventSource, source].map(({ CONNECTING, OPEN, CLOSED }) => [CONNECTING, OPEN, CLOSED]);`,
    expected: [
      [0, 1, 2],
      [0, 1, 2],
    ],
  },
  {
    name: "has the constants of its states on the prototype",
    page: `return ["CONNECTING", "OPEN", "CLOSED"].map((name) => EventSource.prototype[name] ?? "none");`,
    expected: [0, 1, 2],
    instead: { sse: ["none", "none", "none"], ndjson: ["none", "none", "none"] },
  },
  {
    name: "has no handlers at first",
    page: `const { onopen, onmessage, onerror } = new EventSource(url); return [onopen, onmessage, onerror];`,
    expected: [null, null, null],
  },
  {
    name: "takes no handler that is no function",
    page: `
      const source = new EventSource(url);
      source.onmessage = "no function";
      return source.onmessage;`,
    expected: null,
    instead: { sse: "no function", ndjson: "no function" },
  },
  {
    name: "is an EventTarget, and an instance of its class",
    page: `
      const source = new EventSource(url);
      return [source instanceof EventTarget, source instanceof EventSource];`,
    expected: [true, true],
  },
  {
    name: "is an instance of the global class EventSource",
    page: `return new EventSource(url) instanceof globalThis.EventSource;`,
    expected: true,
    instead: { sse: false, ndjson: false },
  },
  {
    name: "gives each source what is added to the prototype",
    page: `
      EventSource.prototype.added = 7;
      const { added } = new EventSource(url);
      delete EventSource.prototype.added;
      return added;`,
    expected: 7,
  },
  {
    name: "can be extended by a class",
    page: `
      class Own extends EventSource { own() { return this.readyState; } }
      const source = new Own(url);
      await next(source, "message");
      return [source.own(), source instanceof EventSource];`,
    expected: [1, true],
  },
  {
    name: "cannot be called without new",
    page: `try { EventSource(url); } catch (error) { return error instanceof TypeError; }`,
    expected: true,
  },
  {
    name: "needs an address",
    page: `try { new EventSource(); return "made"; } catch (error) { return error.name; }`,
    expected: "TypeError",
    instead: { sse: "made", ndjson: "made" },
  },
  {
    name: "throws a SyntaxError for an invalid address",
    page: `try { new EventSource("http://[/"); } catch (error) { return error.name; }`,
    expected: "SyntaxError",
    instead: { sse: "TypeError", ndjson: "TypeError" },
  },
  {
    name: "closes, and throws nothing, where the scheme is not http",
    page: `
      try {
        const source = new EventSource("ftp://127.0.0.1/");
        await next(source, "error");
        return source.readyState;
      } catch (error) { return error.name; }`,
    expected: 2,
    instead: { sse: "TypeError", ndjson: "TypeError" },
  },
  {
    name: "resolves a relative address against the page's",
    page: `return new EventSource("a/../b?c#d").url === location.origin + "/b?c#d";`,
    expected: true,
  },
  {
    name: "takes an empty address for the page's own",
    page: `return new EventSource("").url === location.href;`,
    expected: true,
  },
  {
    name: "takes the text of an object as the address",
    page: `
      const source = new EventSource({ toString: () => url });
      const { data } = await next(source, "message");
      return [data, source.url === location.origin + url.slice(location.origin.length)];`,
    expected: ["data", true],
  },
  {
    name: "takes a URL as the address",
    page: `return new EventSource(new URL(url)).url === new URL(url).href;`,
    expected: true,
  },
  {
    name: "resolves a relative address against the base of the document",
    page: `
      const inner = await frame("base=" + encodeURIComponent(url.slice(0, -"stream".length)));
      const source = new inner.EventSource("stream");
      await next(source, "message");
      return source.url === url;`,
    expected: true,
  },
  {
    name: "resolves a relative address against the document of its class, not of its caller",
    page: `
      const inner = await frame();
      const source = new inner.EventSource("stream");
      const { data } = await next(source, "message");
      return [data, source.url === url];`,
    expected: ["data", true],
  },
  {
    name: "keeps the fragment in its address, and requests without it",
    page: `
      const source = new EventSource(url + "#part");
      await next(source, "message");
      return source.url === url + "#part";`,
    expected: true,
  },
  {
    name: "knows whether it sends credentials",
    page: `
      const options = [undefined, {}, { withCredentials: false }, { withCredentials: true }];
      return options.map((each) => {
        const source = new EventSource(url, each);
        source.close();
        return source.withCredentials;
      });`,
    expected: [false, false, false, true],
  },
  {
    name: "does not let the page set its state",
    page: `
      const source = new EventSource(url);
      try { source.readyState = 2; } catch {}
      return source.readyState;`,
    expected: 0,
  },
  {
    name: "does not let the page set whether it sends credentials",
    page: `
      const source = new EventSource(url);
      try { source.withCredentials = true; } catch {}
      return source.withCredentials;`,
    expected: false,
    instead: { sse: true, ndjson: true },
  },
];
