import { EventSource } from "eventsource";
import type { ServerResponse } from "node:http";
import { afterEach, beforeAll, afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  BareSource,
  CometSource,
  ndjson,
  poll,
  sse,
  type ClientWire,
  type CometErrorEvent,
  type CometGapEvent,
  type CometSourceOptions,
} from "../../../src/client/index.ts";
import { nodeHandler } from "../../../src/adapters/node/index.ts";
import { notedHub, type NotedHub } from "../../support/hub.ts";
import { serve } from "../../support/servers.ts";
import { until } from "../../support/sources.ts";

/** Waits are short here. */
const quick = { retryMs: 5, maxRetryMs: 20, openTimeoutMs: 1000 } as const;
/** There is no EventSource of Node's own yet. */
beforeAll(() => void vi.stubGlobal("EventSource", EventSource));
afterAll(() => void vi.unstubAllGlobals());

const sources = new Set<BareSource>();
afterEach(() => {
  for (const source of sources) source.close();
  sources.clear();
});

interface Followed {
  readonly source: BareSource;
  opens: number;
  readonly data: unknown[];
  readonly gaps: CometGapEvent[];
  readonly errors: CometErrorEvent[];
  readonly closes: string[];
}

/** What a source has told. */
function told(source: BareSource): Followed {
  sources.add(source);
  const followed: Followed = { source, opens: 0, data: [], gaps: [], errors: [], closes: [] };
  source.onopen = () => void (followed.opens += 1);
  source.onmessage = ({ data }) => void followed.data.push(data);
  source.ongap = (event) => void followed.gaps.push(event);
  source.onerror = (event) => void followed.errors.push(event);
  source.onclose = ({ reason }) => void followed.closes.push(reason);
  return followed;
}

const follow = (url: string, options: CometSourceOptions): Followed =>
  told(new CometSource(url, { ...quick, ...options }));

/** Notes what nobody has caught, in place of the runner. */
function noteUncaught(): unknown[] {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    const others = process.rawListeners(event) as (() => void)[];
    process.removeAllListeners(event);
    process.on(event, note);
    onTestFinished(() => {
      process.off(event, note);
      for (const other of others) process.on(event, other);
    });
  }
  return uncaught;
}

/** A hub behind a server that gives an answer of its own first. */
async function answering(answer: (response: ServerResponse) => void): Promise<NotedHub & { origin: string }> {
  const noted = notedHub({ pollMs: 50 });
  let isFirst = true;
  const { origin } = await serve((response) => {
    if (!isFirst) void nodeHandler(noted.hub)(response.req, response);
    else answer(response as ServerResponse);
    isFirst = false;
  });
  return { ...noted, origin };
}

const types = { ndjson: "application/x-ndjson", poll: "application/json", sse: "text/event-stream" } as const;

/** Frames of a wire. */
function framed(name: keyof typeof types, frames: readonly string[]): string {
  if (name === "poll") return `[${frames.join()}]`;
  return frames.map((frame) => (name === "sse" ? `data: ${frame}\n\n` : `${frame}\n`)).join("");
}

const open = '{"open":{"states":{"a":"fresh"},"position":"a=old.4","heartbeatMs":0}}';
const message = '{"id":"a=old.5","data":"before"}';

describe.each([
  ["ndjson", ndjson],
  ["poll", poll],
  ["sse", sse],
] as const)("on %s", (name, wire: ClientWire) => {
  const alone = (url: string): Followed => told(new BareSource(url, { ...quick, wire }));
  const chosen = (url: string): Followed => follow(url, { wires: [wire] });

  /** Expects one error of this code, after which it has come back and gives what is published, besides what it had before. */
  async function expectBack(
    { hub }: NotedHub,
    followed: Followed,
    code: string,
    had: readonly unknown[] = [],
  ): Promise<void> {
    await until(() => followed.errors.length > 0);
    await until(() => followed.source.readyState === 1);
    await hub.topic("a").publish("after");
    await until(() => followed.data.includes("after"));
    expect(followed.errors.map((error) => error.code)).toEqual([code]);
    expect([followed.data.filter((data) => data !== "before" || had.length > 0), followed.closes]).toEqual([
      [...had, "after"],
      [],
    ]);
  }

  test.each([
    ["is no JSON", "{]"],
    ["is an opening without its members", '{"open":{}}'],
    ["is a message without a place", '{"data":1}'],
    ["is a message with a place that is none", '{"id":"a=old.x","data":1}'],
    ["is a gap without its members", '{"gap":{}}'],
    ["is an end without its members", '{"end":{}}'],
  ])("a frame that %s is an error, and it comes back", async (_, frame) => {
    for (const start of [alone, chosen]) {
      const server = await answering((response) => {
        response.writeHead(200, { "content-type": types[name] });
        response.end(framed(name, [open, message, frame]));
      });
      const followed = start(`${server.origin}/?topic=a`);
      // Of a piece that is no JSON nothing need count: it comes again.
      const had = frame === "{]" ? [] : ["before"];
      await expectBack(server, followed, "ERR_FRAME", had);
      // The server that has come back knows nothing of this epoch.
      expect(followed.gaps.map(({ missed }) => missed)).toEqual(followed.data.slice(1).map(() => null));
    }
  });

  const isNoObject = async (start: (url: string) => Followed, frame: string): Promise<void> => {
    const uncaught = noteUncaught();
    let goOn = (): void => undefined;
    const server = await answering((response) => {
      response.writeHead(200, { "content-type": types[name] });
      if (name === "poll") response.end(framed(name, [open, message, frame]));
      else response.write(framed(name, [open, message]));
      // It does not end: nothing but the frame itself says that something is wrong.
      goOn = () => void response.write(framed(name, [frame]));
    });
    const followed = start(`${server.origin}/?topic=a`);
    await until(() => followed.data.length === 1);
    if (name !== "poll") goOn();
    await expectBack(server, followed, "ERR_FRAME", ["before"]);
    expect(uncaught).toEqual([]);
  };

  test.each(["null", "3"])("a frame that is no object, as %s, is an error on a wire alone", async (frame) => {
    await isNoObject(alone, frame);
  });

  test("a frame that is no object is an error on a wire that was chosen, too", () => isNoObject(chosen, "null"));

  test("an item that nobody knows, and members of later versions, are ignored", async () => {
    const server = await answering((response) => {
      response.writeHead(200, { "content-type": types[name] });
      const later = '{"open":{"states":{"a":"fresh"},"position":"a=old.4","heartbeatMs":0,"later":1},"later":2}';
      const frames = [later, '{"later":{}}', "{}", message, '{"id":"a=old.6","data":"known","later":1}'];
      response.write(framed(name, frames));
      if (name === "poll") response.end();
    });
    const followed = chosen(`${server.origin}/?topic=a`);
    await until(() => followed.data.length === 2);
    expect(followed.data).toEqual(["before", "known"]);
    expect(followed.errors.filter(({ code }) => code !== "ERR_NETWORK")).toEqual([]);
  });

  test.each([
    ["a page", 200, "text/html", "ERR_CONTENT_TYPE"],
    ["a page of an error", 502, "text/html", "ERR_STATUS"],
    ["nothing", 204, "text/plain", "ERR_STATUS"],
  ])("%s in place of a stream is an error, and it comes back", async (_, status, type, code) => {
    const server = await answering((response) => {
      response.writeHead(status, { "content-type": type });
      response.end("<h1>Welcome to our hotel</h1>");
    });
    const followed = chosen(`${server.origin}/?topic=a`);
    // An EventSource says nothing of what was wrong.
    await expectBack(server, followed, name === "sse" ? "ERR_NETWORK" : code);
    if (name !== "sse") expect(followed.errors[0]).toMatchObject({ status });
  });

  test("a server that has begun anew is a gap of nobody knows how many, after which it goes on", async () => {
    let noted = notedHub({ pollMs: 50 });
    const responses = new Set<ServerResponse>();
    const { origin } = await serve((response) => {
      responses.add(response as ServerResponse);
      void nodeHandler(noted.hub)(response.req, response);
    });
    const followed = follow(`${origin}/?topic=a&topic=b`, { wires: [wire] });
    await until(() => followed.opens === 1);
    await noted.hub.topic("a").publish(1);
    await until(() => followed.data.length === 1);
    noted = notedHub({ pollMs: 50 });
    for (const { req } of responses) req.socket.destroy();
    await until(() => followed.gaps.length === 2);
    expect(followed.gaps.map(({ topic, missed }) => [topic, missed]).sort()).toEqual([
      ["a", null],
      ["b", null],
    ]);
    await noted.hub.topic("a").publish(2);
    await noted.hub.topic("b").publish(3);
    await until(() => followed.data.length >= 3);
    expect(followed.data[0]).toBe(1);
    expect(followed.data.slice(1).sort()).toEqual([2, 3]);
    expect(followed.closes).toEqual([]);
  });
});

describe.each([
  ["ndjson", ndjson],
  ["poll", poll],
] as const)("over %s", (name, wire) => {
  test.each([400, 404, 410])("a page of the error %s is for good", async (status) => {
    const server = await answering((response) => {
      response.writeHead(status, { "content-type": "text/html" });
      response.end("<h1>Not here</h1>");
    });
    const { source, errors, closes } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => closes.length === 1);
    expect(errors).toMatchObject([{ code: "ERR_STATUS", status, retryMs: null }]);
    expect([source.readyState, closes, server.opened]).toEqual([2, ["error"], []]);
  });

  test("Retry-After is heeded, whoever has sent it", async () => {
    const server = await answering((response) => {
      response.writeHead(503, { "content-type": "text/html", "retry-after": "2" });
      response.end();
    });
    const { errors } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => errors.length === 1);
    expect(errors).toMatchObject([{ code: "ERR_STATUS", status: 503, retryMs: 2000 }]);
  });

  test("Retry-After is heeded as a date, too", async () => {
    const server = await answering((response) => {
      const date = new Date(Date.now() + 60_000).toUTCString();
      response.writeHead(503, { "content-type": "text/html", "retry-after": date });
      response.end();
    });
    const { errors } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => errors.length === 1);
    expect(errors[0]?.retryMs).toBeGreaterThan(50_000);
  });

  test("a refusal counts by its status, even if its words are malformed", async () => {
    const server = await answering((response) => {
      response.writeHead(403, { "content-type": "application/problem+json" });
      response.end("{");
    });
    const { errors } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => errors.length === 1);
    expect(errors).toMatchObject([{ status: 403, retryMs: null }]);
  });

  test("an answer that is no array, or nothing, is an error", async () => {
    for (const body of ["{}", ""]) {
      const server = await answering((response) => {
        response.writeHead(200, { "content-type": types[name] });
        response.end(body);
      });
      const { errors, opens } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
      await until(() => errors.length === 1);
      expect([opens, /^ERR_(FRAME|NETWORK)$/.test(errors[0]?.code ?? "")]).toEqual([0, true]);
    }
  });

  test("headers that cannot be had are an error, and are asked for again", async () => {
    const { hub, origin } = await answering((response) => response.destroy());
    let asked = 0;
    const { errors, data, source } = follow(`${origin}/?topic=a`, {
      wires: [wire],
      headers: async () => {
        asked += 1;
        await Promise.resolve();
        if (asked < 3) throw new Error("The token is not to be had.");
        return { authorization: "x" };
      },
    });
    await until(() => source.readyState === 1);
    expect(errors.map(({ code }) => code)).toEqual(["ERR_HEADERS", "ERR_HEADERS", "ERR_NETWORK"]);
    expect(errors[0]?.detail).toContain("The token is not to be had.");
    await hub.topic("a").publish(1);
    await until(() => data.length === 1);
  });

  test("headers that cannot even be asked for are an error that the page can hear of", async () => {
    const { errors } = follow("http://127.0.0.1:9/?topic=a", {
      wires: [wire],
      retryMs: 600_000,
      maxRetryMs: 600_000,
      headers: () => {
        throw new Error("There is no token.");
      },
    });
    await until(() => errors.length === 1);
    expect(errors[0]?.code).toBe("ERR_HEADERS");
  });

  test("headers that are none are an error that says so", async () => {
    const uncaught = noteUncaught();
    const { origin } = await answering((response) => response.destroy());
    const { errors } = follow(`${origin}/?topic=a`, { wires: [wire], headers: { "no name": "x" } });
    await until(() => errors.length > 0);
    expect(errors[0]?.code).toMatch(/^ERR_(HEADERS|NETWORK)$/);
    expect(errors[0]?.detail).toContain("no name");
    expect(uncaught).toEqual([]);
  });
});

describe("a line of ndjson that is longer than 1 MiB", () => {
  const long = `{"id":"a=e.2","data":"${"x".repeat(1 << 20)}"}`;
  const head = `${open.replace("old.4", "e.0")}\n`;
  const first = '{"id":"a=e.1","data":"first"}\n';

  /** What comes of a stream in these pieces, at most so many times. */
  async function followed(...pieces: readonly string[]): Promise<Followed> {
    const fetchPieces = (): Promise<Response> => {
      const encoder = new TextEncoder();
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (const piece of pieces) controller.enqueue(encoder.encode(piece));
        },
      });
      return Promise.resolve(new Response(body, { headers: { "content-type": types.ndjson } }));
    };
    const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(fetchPieces);
    onTestFinished(() => fetched.mockRestore());
    const all = told(new BareSource("http://hub.test/?topic=a", { wire: ndjson, retryMs: 10_000 }));
    await until(() => all.errors.length > 0 || all.data.length > 1);
    return all;
  }

  test("is an error while it is not complete", async () => {
    const { errors, data } = await followed(head, first, long.slice(0, -10));
    expect([errors.map(({ code }) => code), data]).toEqual([["ERR_FRAME"], ["first"]]);
  });

  test("loses nothing that came in the same piece", async () => {
    const { data, errors } = await followed(head, first + long, "\n");
    expect(data[0] ?? errors[0]?.code).toMatch(/^first$|^ERR_FRAME$/);
  });
});

test("an address that is none is an error at once", () => {
  for (const url of ["http://", "/relative", "//"]) {
    expect(() => new CometSource(url)).toThrow(TypeError);
    expect(() => new BareSource(url, { wire: ndjson })).toThrow(TypeError);
  }
});

test("an address with a position that is none is refused at once", () => {
  expect(() => new CometSource("http://hub.test/?topic=a&lastEventId=none")).toThrow(
    new SyntaxError("No position: none"),
  );
});
