import type { EventSourceCase, Exchange } from "./case.ts";

/** Sends a message and ends the stream, the first time; later it leaves the stream open. */
const endingOnce = ({ attempt, send, end }: Exchange): void => {
  send(String(attempt));
  if (attempt === 1) end();
};

/** Answers with a status and a body that looks like a stream. */
const withStatus =
  (status: number): NonNullable<EventSourceCase["serve"]> =>
  ({ response, kind, opening, frame }) => {
    response.writeHead(status, { "content-type": kind === "ndjson" ? "application/x-ndjson" : "text/event-stream" });
    response.end(status === 204 || status === 205 ? undefined : opening + frame("data"));
  };

/** Waits for the first error, and returns the state in it. */
const stateAtError = `
  const source = new EventSource(url);
  const calls = [];
  source.onopen = () => calls.push("open");
  source.onmessage = () => calls.push("message");
  await next(source, "error");
  return [source.readyState, ...calls];`;

const redirects: readonly EventSourceCase[] = [301, 302, 303, 307, 308].map((status) => ({
  name: `follows a redirect with status ${status}`,
  serve: ({ path, response, send, end }) => {
    if (path === "target") {
      send("data");
      // Firefox does not close the connection of a redirected `fetch` that is aborted.
      end();
    } else response.writeHead(status, { location: "target", "cache-control": "no-store" }).end();
  },
  page: `
    const source = new EventSource(url);
    const { data } = await next(source, "message");
    return [data, source.readyState, source.url === url];`,
  expected: ["data", 1, true],
}));

const finalStatuses: readonly EventSourceCase[] = [204, 205, 299, 401, 404, 410].map((status) => ({
  name: `closes after status ${status}`,
  serve: withStatus(status),
  page: stateAtError,
  expected: [2],
}));

/** The headers that allow another origin's page. */
const allowed = ({ request }: Exchange, credentials = false): Record<string, string> => ({
  "access-control-allow-origin": request.headers.origin ?? "",
  ...(credentials && { "access-control-allow-credentials": "true" }),
});

/** How a connection begins, ends, breaks and begins again; and what its requests carry. */
export const connectionCases: readonly EventSourceCase[] = [
  {
    name: "is closed at once by close, in a handler too",
    page: `
      const source = new EventSource(url);
      return new Promise((resolve) => {
        source.onopen = () => {
          const before = source.readyState;
          source.close();
          resolve([before, source.readyState]);
        };
      });`,
    expected: [1, 2],
  },
  {
    name: "dispatches nothing after close, not even what has arrived already",
    serve: ({ open, write, batch }) => {
      open();
      write(batch("1", "2"));
    },
    page: `
      const source = new EventSource(url);
      const seen = [];
      for (const type of ["message", "error", "close"])
        source.addEventListener(type, ({ type, data }) => { seen.push([type, data]); source.close(); });
      await next(source, "message");
      await later();
      return [seen, source.readyState];`,
    expected: [[["message", "1"]], 2],
  },
  {
    name: "opens no connection if it is closed at once, or drops it",
    page: `
      const source = new EventSource(url);
      const seen = [];
      for (const type of ["open", "message", "error"]) source.addEventListener(type, () => seen.push(type));
      source.close();
      source.close();
      await later();
      return [seen, source.readyState];`,
    expected: [[], 2],
  },
  {
    name: "aborts its request when it is closed",
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      source.close();
      return (await closed(1)).length;`,
    expected: 1,
  },
  {
    name: "aborts its request after a redirect too",
    serve: ({ path, response, send }) => {
      if (path === "target") send("data");
      else response.writeHead(302, { location: "target", "cache-control": "no-store" }).end();
    },
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      source.close();
      // A browser may never close them.
      await Promise.race([closed(2), new Promise((resolve) => setTimeout(resolve, 10_000))]);
      return (await requests(2)).map(({ isClosed }) => isClosed);`,
    expected: [true, true],
    failing: { firefox: ["ndjson"] },
  },
  {
    name: "aborts its request when its document goes",
    page: `
      const inner = await frame();
      await next(new inner.EventSource(url), "message");
      inner.window.frameElement.remove();
      return (await closed(1)).length;`,
    expected: 1,
  },
  {
    name: "closes when the document stops loading",
    page: `
      const inner = await frame();
      const source = new inner.EventSource(url);
      await next(source, "message");
      const lost = next(source, "error");
      inner.window.stop();
      await Promise.race([lost, later()]);
      return source.readyState;`,
    expected: 2,
    failing: { webkit: ["EventSource", "sse"] },
    instead: { ndjson: 0 },
  },
  {
    name: "reconnects when the server ends the stream",
    serve: endingOnce,
    page: `
      const source = new EventSource(url);
      const seen = [];
      for (const type of ["open", "message", "error"])
        source.addEventListener(type, ({ data }) => seen.push([type, source.readyState, data ?? ""].join(" ")));
      await new Promise((resolve) => source.addEventListener("message", ({ data }) => data === "2" && resolve()));
      return seen;`,
    expected: ["open 1 ", "message 1 1", "error 0 ", "open 1 ", "message 1 2"],
  },
  {
    name: "reconnects when the connection breaks",
    serve: ({ path, attempt, earlier, send, response }) => {
      if (path !== "cut") send(String(attempt));
      else {
        earlier[0]?.destroy();
        response.end();
      }
    },
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      const lost = next(source, "error");
      await fetch(url.replace(/stream$/, "cut"));
      await lost;
      const between = source.readyState;
      const { data } = await next(source, "message");
      return [between, data, source.readyState];`,
    expected: [0, "2", 1],
  },
  {
    name: "reconnects after a stream that ended with no message",
    serve: ({ attempt, open, send, end }) => {
      if (attempt > 1) send("data");
      else {
        open();
        end();
      }
    },
    page: `return (await next(new EventSource(url), "message")).data;`,
    expected: "data",
  },
  {
    name: "does not reconnect once it is closed in the handler of the error",
    serve: endingOnce,
    page: `
      const source = new EventSource(url);
      const errors = [];
      source.onerror = ({ type }) => { errors.push(type); source.close(); };
      await next(source, "error");
      await later();
      return [errors, source.readyState, (await requests(1)).filter(({ path }) => path === "stream").length];`,
    expected: [["error"], 2, 1],
  },
  {
    name: "dispatches an error that is a plain event",
    serve: endingOnce,
    page: `
      const event = await next(new EventSource(url), "error");
      return [event.type, event.bubbles, event.cancelable, Object.hasOwn(event, "data"), event instanceof Event];`,
    expected: ["error", false, false, false, true],
  },
  ...finalStatuses,
  {
    name: "closes after status 503",
    serve: withStatus(503),
    page: stateAtError,
    expected: [2],
    instead: { ndjson: [0] },
  },
  {
    name: "closes when a reconnection gets status 204",
    serve: ({ attempt, send, end, response }) => {
      if (attempt > 1) response.writeHead(204).end();
      else {
        send("1");
        end();
      }
    },
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      await next(source, "error");
      await next(source, "error");
      return source.readyState;`,
    expected: 2,
    instead: { sse: 0 },
  },
  {
    name: "closes after a response of another content type",
    serve: ({ response, opening, frame }) => {
      response.writeHead(200, { "content-type": "text/x-event-stream" }).end(opening + frame("data"));
    },
    page: stateAtError,
    expected: [2],
    instead: { ndjson: [0] },
  },
  {
    name: "takes a content type with parameters",
    serve: ({ kind, open, send }) => {
      open({
        "content-type": `${kind === "ndjson" ? "application/x-ndjson" : "text/event-stream"};x=y; charset=utf-8;`,
      });
      send("data");
    },
    page: `return (await next(new EventSource(url), "message")).data;`,
    expected: "data",
  },
  ...redirects,
  {
    name: "sends the id of the last message back when it reconnects",
    serve: ({ attempt, lastEventId, open, send, frame, write, end }) => {
      if (attempt > 1) send(lastEventId);
      else {
        open();
        write(frame("1") + frame("2"));
        end();
      }
    },
    page: `
      const source = new EventSource(url);
      return new Promise((resolve) => {
        source.onmessage = ({ data }) => data.startsWith("t=") && resolve(data);
      });`,
    expected: "t=e.2",
  },
  {
    name: "sends the id back as the header Last-Event-ID",
    serve: endingOnce,
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      await next(source, "message");
      return (await requests(2)).map(({ headers }) => headers["last-event-id"] ?? "");`,
    expected: ["", "t=e.1"],
    instead: { sse: ["", ""], ndjson: ["", ""] },
  },
  {
    name: "keeps the id over a connection that had no message",
    serve: ({ attempt, lastEventId, open, send, end }) => {
      if (attempt === 3) send(lastEventId);
      else {
        if (attempt === 1) send("1");
        else open();
        end();
      }
    },
    page: `
      const source = new EventSource(url);
      return new Promise((resolve) => {
        source.onmessage = ({ data }) => data.startsWith("t=") && resolve(data);
      });`,
    expected: "t=e.1",
  },
  {
    name: "waits before it reconnects for as long as the server asks",
    serve: ({ attempt, kind, open, send, write, end }) => {
      open();
      if (attempt === 1 && kind === "EventSource") write("retry: 700\n\n");
      else if (attempt === 1) {
        const item = JSON.stringify({ end: { reason: "recycle", position: "t=e.0", retryMs: 700 } });
        write(kind === "sse" ? `data: ${item}\n\n` : `${item}\n`);
      } else send("data");
      if (attempt === 1) end();
    },
    page: `
      await next(new EventSource(url), "message");
      const [first, second] = await requests(2);
      return second.at - first.at >= 690;`,
    expected: true,
  },
  {
    name: "sends a GET that asks for no cached response",
    page: `
      await next(new EventSource(url), "message");
      const [{ method, headers }] = await requests(1);
      return [method, headers["cache-control"]];`,
    expected: ["GET", "no-cache"],
  },
  {
    name: "asks for an event stream in the header Accept",
    page: `
      await next(new EventSource(url), "message");
      return (await requests(1))[0].headers.accept;`,
    expected: "text/event-stream",
    instead: { ndjson: "*/*" },
  },
  {
    name: "names the page in the header Referer",
    page: `
      await next(new EventSource(url), "message");
      return (await requests(1))[0].headers.referer === location.href;`,
    expected: true,
  },
  {
    name: "sends the cookies of its own origin",
    page: `
      document.cookie = "own=1; path=/";
      await next(new EventSource(url), "message");
      const [{ headers }] = await requests(1);
      return headers.cookie?.includes("own=1");`,
    expected: true,
  },
  {
    name: "reads a stream of another origin that allows the page's",
    serve: (exchange) => {
      exchange.open(allowed(exchange));
      exchange.send("data");
    },
    page: `
      const source = new EventSource(other);
      const { data, origin } = await next(source, "message");
      return [data, origin === new URL(other).origin, source.readyState];`,
    expected: ["data", true, 1],
  },
  {
    name: "sends credentials to another origin only if it is told to",
    serve: (exchange) => {
      exchange.open(allowed(exchange, true));
      exchange.send("data");
    },
    page: `
      document.cookie = "shared=1; path=/";
      await next(new EventSource(other), "message");
      await next(new EventSource(other, { withCredentials: true }), "message");
      return (await requests(2)).map(({ headers }) => headers.cookie?.includes("shared=1") ?? false);`,
    expected: [false, true],
  },
  {
    name: "follows a redirect of another origin",
    serve: (exchange) => {
      if (exchange.path === "target") {
        exchange.open(allowed(exchange, true));
        exchange.send("data");
        exchange.end();
        return;
      }
      const headers = { ...allowed(exchange, true), location: "target", "cache-control": "no-store" };
      exchange.response.writeHead(302, headers).end();
    },
    page: `
      const { data, origin } = await next(new EventSource(other, { withCredentials: true }), "message");
      return [data, origin === new URL(other).origin];`,
    expected: ["data", true],
  },
  {
    name: "gives a message the origin to which a redirect has led",
    serve: (exchange) => {
      if (exchange.path === "target") {
        exchange.open({ "access-control-allow-origin": "*" });
        exchange.send("data");
        exchange.end();
        return;
      }
      const location = String(new URL(exchange.request.url ?? "", "http://site.test").searchParams.get("to"));
      exchange.response.writeHead(302, { location, "cache-control": "no-store" }).end();
    },
    page: `
      const target = other.replace(/stream$/, "target");
      const { data, origin } = await next(new EventSource(url + "?to=" + encodeURIComponent(target)), "message");
      return [data, origin === new URL(other).origin];`,
    expected: ["data", true],
    instead: { sse: ["data", false], ndjson: ["data", false] },
  },
  ...["", "http://elsewhere.test"].map((origin): EventSourceCase => ({
    name: origin
      ? "closes if a server allows another origin than the page's"
      : "closes if a server allows no other origin",
    serve: ({ open, send }) => {
      open(origin ? { "access-control-allow-origin": origin } : {});
      send("data");
    },
    page: `
      const source = new EventSource(other);
      const calls = [];
      source.onopen = () => calls.push("open");
      source.onmessage = () => calls.push("message");
      await next(source, "error");
      return [source.readyState, ...calls];`,
    expected: [2],
    instead: { ndjson: [0] },
  })),
  {
    name: "closes if a server allows every origin and the page sends credentials",
    serve: ({ open, send }) => {
      open({ "access-control-allow-origin": "*" });
      send("data");
    },
    page: `
      const source = new EventSource(other, { withCredentials: true });
      await next(source, "error");
      return source.readyState;`,
    expected: 2,
    instead: { ndjson: 0 },
  },
  {
    name: "works in a worker, and resolves addresses against the worker's",
    context: "worker",
    page: `
      const source = new EventSource(new URL(url).pathname);
      const { data, origin } = await next(source, "message");
      const before = source.readyState;
      source.close();
      return [data, origin === location.origin, source.url === url, before, source.readyState];`,
    expected: ["data", true, true, 1, 2],
  },
  {
    name: "reconnects in a worker",
    context: "worker",
    serve: endingOnce,
    page: `
      const source = new EventSource(url);
      await next(source, "message");
      await next(source, "error");
      return [source.readyState, (await next(source, "message")).data];`,
    expected: [0, "2"],
  },
  {
    name: "reports an invalid address in a worker",
    context: "worker",
    page: `try { new EventSource("http://[/"); } catch (error) { return error.name; }`,
    expected: "SyntaxError",
    instead: { sse: "TypeError", ndjson: "TypeError" },
  },
  {
    name: "works in a shared worker",
    context: "shared worker",
    page: `
      const source = new EventSource(url);
      const { data } = await new Promise((resolve) => (source.onmessage = resolve));
      const before = source.readyState;
      source.close();
      return [data, before, source.readyState, EventSource.CLOSED, source instanceof EventTarget];`,
    expected: ["data", 1, 2, 2, true],
  },
];
