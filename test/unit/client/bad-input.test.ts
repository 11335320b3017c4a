import { EventSource } from "eventsource";
import type { ServerResponse } from "node:http";
import { afterEach, beforeAll, afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  BareSource,
  CometSource,
  comet,
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

/** Short delays. */
const quick = { backoffMs: 5, maxBackoffMs: 20, openTimeoutMs: 1000 } as const;
/** Node has no EventSource of its own yet. */
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

/** Records the events of a source. */
function record(source: BareSource): Followed {
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
  record(new CometSource(url, { ...quick, ...options }));

/** Records uncaught errors, in place of the test runner. */
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

/** A hub behind a server that answers the first request itself. */
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
  const alone = (url: string): Followed => record(new BareSource(url, { ...quick, wire }));
  const chosen = (url: string): Followed => follow(url, { wires: [wire] });

  /** Expects one error with this code, after which the source reconnects and delivers new messages after those that it had. */
  async function expectReconnect(
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
    ["is not JSON", "{]"],
    ["is an opening without its members", '{"open":{}}'],
    ["is a message without a position", '{"data":1}'],
    ["is a message with a malformed position", '{"id":"a=old.x","data":1}'],
    ["is a gap without its members", '{"gap":{}}'],
    ["is an end without its members", '{"end":{}}'],
    ["is the end of a topic without its members", '{"ended":{}}'],
  ])("dispatches an error and reconnects after a frame that %s", async (_, frame) => {
    for (const start of [alone, chosen]) {
      const server = await answering((response) => {
        response.writeHead(200, { "content-type": types[name] });
        response.end(framed(name, [open, message, frame]));
      });
      const followed = start(`${server.origin}/?topic=a`);
      // No message of a batch that is not JSON needs to count: it is sent again.
      const had = frame === "{]" ? [] : ["before"];
      await expectReconnect(server, followed, "ERR_FRAME", had);
      // The hub behind the server has another epoch.
      expect(followed.gaps.map(({ missed }) => missed)).toEqual(followed.data.slice(1).map(() => null));
    }
  });

  const breaksAtFrame = async (start: (url: string) => Followed, frame: string): Promise<void> => {
    const uncaught = noteUncaught();
    let goOn = (): void => undefined;
    const server = await answering((response) => {
      response.writeHead(200, { "content-type": types[name] });
      if (name === "poll") response.end(framed(name, [open, message, frame]));
      else response.write(framed(name, [open, message]));
      // The response does not end: only the frame shows that something is wrong.
      goOn = () => void response.write(framed(name, [frame]));
    });
    const followed = start(`${server.origin}/?topic=a`);
    await until(() => followed.data.length === 1);
    if (name !== "poll") goOn();
    await expectReconnect(server, followed, "ERR_FRAME", ["before"]);
    expect(uncaught).toEqual([]);
  };

  test.each(["null", "3"])(
    "dispatches an error for the frame %s, which is not an object, on a single wire",
    async (frame) => {
      await breaksAtFrame(alone, frame);
    },
  );

  test("dispatches an error for a frame that is not an object on a chosen wire", () => breaksAtFrame(chosen, "null"));

  test("ignores unknown items and members of later versions", async () => {
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
    ["an error page", 502, "text/html", "ERR_STATUS"],
  ])("dispatches an error and reconnects after %s in place of a stream", async (_, status, type, code) => {
    const server = await answering((response) => {
      response.writeHead(status, { "content-type": type });
      response.end("<h1>Welcome to our hotel</h1>");
    });
    // An EventSource gives no reason, and is closed. A source without a position closes with it: see below.
    const followed = chosen(`${server.origin}/?topic=a${name === "sse" ? "&lastEventId=a=old.5" : ""}`);
    await expectReconnect(server, followed, name === "sse" ? "ERR_NETWORK" : code);
    if (name !== "sse") expect(followed.errors[0]).toMatchObject({ status });
  });

  test("closes for good after no content in place of a stream", async () => {
    for (const start of [alone, chosen]) {
      const server = await answering((response) => {
        response.writeHead(204);
        response.end();
      });
      const { source, errors, closes } = start(`${server.origin}/?topic=a`);
      await until(() => closes.length === 1);
      expect(errors).toMatchObject([name === "sse" ? { retryMs: null } : { status: 204, retryMs: null }]);
      expect([source.readyState, source.outcome, closes, server.opened]).toEqual([2, "failed", ["error"], []]);
    }
  });

  test("dispatches a gap of unknown size for each topic after the server has restarted, and continues", async () => {
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
  test.each([400, 404, 410])("does not reconnect after an error page with status %s", async (status) => {
    const server = await answering((response) => {
      response.writeHead(status, { "content-type": "text/html" });
      response.end("<h1>Not here</h1>");
    });
    const { source, errors, closes } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => closes.length === 1);
    expect(errors).toMatchObject([{ code: "ERR_STATUS", status, retryMs: null }]);
    expect([source.readyState, closes, server.opened]).toEqual([2, ["error"], []]);
  });

  test("honours Retry-After of any server", async () => {
    const server = await answering((response) => {
      response.writeHead(503, { "content-type": "text/html", "retry-after": "2" });
      response.end();
    });
    const { errors } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => errors.length === 1);
    expect(errors).toMatchObject([{ code: "ERR_STATUS", status: 503, retryMs: 2000 }]);
  });

  test("honours Retry-After as a date", async () => {
    const server = await answering((response) => {
      const date = new Date(Date.now() + 60_000).toUTCString();
      response.writeHead(503, { "content-type": "text/html", "retry-after": date });
      response.end();
    });
    const { errors } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => errors.length === 1);
    expect(errors[0]?.retryMs).toBeGreaterThan(50_000);
  });

  test("does not reconnect after a 403 with a malformed body", async () => {
    const server = await answering((response) => {
      response.writeHead(403, { "content-type": "application/problem+json" });
      response.end("{");
    });
    const { errors } = follow(`${server.origin}/?topic=a`, { wires: [wire] });
    await until(() => errors.length === 1);
    expect(errors).toMatchObject([{ status: 403, retryMs: null }]);
  });

  test("dispatches an error for an empty body or one of the wrong type", async () => {
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

  test("dispatches ERR_HEADERS when `headers` rejects, and calls it again", async () => {
    const { hub, origin } = await answering((response) => response.destroy());
    let asked = 0;
    const { errors, data, source } = follow(`${origin}/?topic=a`, {
      wires: [wire],
      headers: async () => {
        asked += 1;
        await Promise.resolve();
        if (asked < 3) throw new Error("The token server is down.");
        return { authorization: "x" };
      },
    });
    await until(() => source.readyState === 1);
    expect(errors.map(({ code }) => code)).toEqual(["ERR_HEADERS", "ERR_HEADERS", "ERR_NETWORK"]);
    expect(errors[0]?.detail).toContain("The token server is down.");
    await hub.topic("a").publish(1);
    await until(() => data.length === 1);
  });

  test("dispatches ERR_HEADERS when `headers` throws, late enough for a listener", async () => {
    const { errors } = follow("http://127.0.0.1:9/?topic=a", {
      wires: [wire],
      backoffMs: 600_000,
      maxBackoffMs: 600_000,
      headers: () => {
        throw new Error("There is no token.");
      },
    });
    await until(() => errors.length === 1);
    expect(errors[0]?.code).toBe("ERR_HEADERS");
  });

  test("dispatches an error that names an invalid header", async () => {
    const uncaught = noteUncaught();
    const { origin } = await answering((response) => response.destroy());
    const { errors } = follow(`${origin}/?topic=a`, { wires: [wire], headers: { "no name": "x" } });
    await until(() => errors.length > 0);
    expect(errors[0]?.code).toMatch(/^ERR_(HEADERS|NETWORK)$/);
    expect(errors[0]?.detail).toContain("no name");
    expect(uncaught).toEqual([]);
  });
});

describe("over sse", () => {
  const refusing = async (status: number, type: string): Promise<Awaited<ReturnType<typeof serve>>> =>
    serve((response) => {
      (response as ServerResponse).writeHead(status, { "content-type": type });
      (response as ServerResponse).end();
    });

  test.each([
    [404, "text/html"],
    [403, "application/problem+json"],
    [200, "text/html"],
  ])("closes for good if its first EventSource does, as after the status %s and %s", async (status, type) => {
    const { origin } = await refusing(status, type);
    for (const followed of [
      record(new BareSource(`${origin}/?topic=a`, { ...quick, wire: sse })),
      follow(`${origin}/?topic=a`, { wires: [sse] }),
    ]) {
      await until(() => followed.closes.length === 1);
      expect(followed.errors).toMatchObject([{ code: "ERR_NETWORK", retryMs: null }]);
      expect([followed.source.readyState, followed.closes]).toEqual([2, ["error"]]);
    }
  });

  test("reconnects after an answer that closes the EventSource if it had a stream before, as behind a proxy", async () => {
    const { hub } = notedHub();
    let isAway = false;
    const responses = new Set<ServerResponse>();
    const { origin } = await serve((given) => {
      const response = given as ServerResponse;
      responses.add(response);
      if (isAway) response.writeHead(502).end();
      else void nodeHandler(hub)(response.req, response);
    });
    const { source, errors, data } = record(new BareSource(`${origin}/?topic=a`, { ...quick, wire: sse }));
    await until(() => source.readyState === 1);
    isAway = true;
    for (const { req } of responses) req.socket.destroy();
    await until(() => errors.length > 2);
    isAway = false;
    await until(() => source.readyState === 1);
    await hub.topic("a").publish("after");
    await until(() => data.length === 1);
  });
});

describe("a line of ndjson that is longer than 64 Mi characters", () => {
  const begin = '{"id":"a=e.2","data":"';
  const chunks = Array<string>(65).fill("x".repeat(1 << 20));
  const head = `${open.replace("old.4", "e.0")}\n`;
  const first = '{"id":"a=e.1","data":"first"}\n';

  test("is one fatal error after the messages before it", async () => {
    const fetchPieces = (): Promise<Response> => {
      const encoder = new TextEncoder();
      const pieces = [head, first + begin, ...chunks];
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(encoder.encode(pieces.shift() ?? "x")),
      });
      return Promise.resolve(new Response(body, { headers: { "content-type": types.ndjson } }));
    };
    const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(fetchPieces);
    onTestFinished(() => fetched.mockRestore());
    const { errors, data, closes } = record(new BareSource("http://hub.test/?topic=a", { wire: ndjson, backoffMs: 0 }));
    await until(() => closes.length > 0);
    expect(errors.map(({ code, retryMs }) => [code, retryMs])).toEqual([["ERR_FRAME", null]]);
    expect([data, closes, fetched.mock.calls.length]).toEqual([["first"], ["error"], 1]);
  });
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "blob:http://hub.test/x",
  "file:///x",
  "ws://hub.test/",
  " JaVa\tscript:1",
])("throws ERR_URL at once for %j, whatever the wire", (url) => {
  for (const make of [() => new CometSource(url), () => new BareSource(url, { wire: comet })]) {
    expect(make).toThrow(expect.objectContaining({ name: "TypeError", code: "ERR_URL" }) as Error);
  }
});

test("throws at once for an invalid URL", () => {
  for (const url of ["http://", "/relative", "//"]) {
    expect(() => new CometSource(url)).toThrow(TypeError);
    expect(() => new BareSource(url, { wire: ndjson })).toThrow(TypeError);
  }
});

test("throws at once for a malformed position", () => {
  expect(() => new CometSource("http://hub.test/?topic=a&lastEventId=none")).toThrow(
    new SyntaxError("No position: none"),
  );
});
