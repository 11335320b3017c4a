import type { ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import type { EventStreamError } from "../../../src/client/index.ts";
import { fetchEvents, type FetchEventsOptions, type ServerEvent } from "../../../src/client/index.ts";
import { serve } from "../../support/servers.ts";
import { collect, errorOf, expectCode } from "../../support/sources.ts";

/** A request as a server received it. */
interface Received {
  readonly method: string | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

type Respond = (response: ServerResponse, request: Received) => void;

/** Serves the first request by the first function, the second by the second, and further ones by the last. */
async function endpoint(...answers: readonly Respond[]): Promise<{ url: string; requests: Received[] }> {
  const requests: Received[] = [];
  const { origin } = await serve((response) => {
    const { req } = response;
    let body = "";
    req.on("data", (piece) => (body += String(piece)));
    req.on("end", () => {
      const request = { method: req.method, headers: req.headers, body };
      const answer = answers[Math.min(requests.length, answers.length - 1)];
      requests.push(request);
      answer?.(response as ServerResponse, request);
    });
  });
  return { url: `${origin}/stream`, requests };
}

/** Answers with a stream of these texts, and ends it. */
const stream =
  (...texts: readonly (string | Uint8Array)[]): Respond =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const text of texts) response.write(text);
    response.end();
  };

/** Answers with a text, and then breaks the connection. */
const broken =
  (text: string): Respond =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text, () => response.destroy());
  };

const status =
  (code: number, headers: Record<string, string> = {}, body = ""): Respond =>
  (response) =>
    void response.writeHead(code, headers).end(body);

const quick = { backoffMs: 1, maxBackoffMs: 1 };

/** The data of the first events; then the loop is left. */
async function first<Data>(count: number, events: AsyncIterable<ServerEvent<Data>>): Promise<Data[]> {
  const data: Data[] = [];
  for await (const event of events) if (data.push(event.data) === count) break;
  return data;
}

describe("a POST", () => {
  const post = { method: "POST", body: "question", ...quick };

  test("sends the body and the headers, and yields the events until the end", async () => {
    const { url, requests } = await endpoint(stream("event: a\nid: 1\ndata: one\n\n", "data: two\n\n"));
    const headers = { authorization: "Bearer x", "content-type": "text/plain" };
    expect(await collect(fetchEvents(url, { ...post, headers }))).toEqual([
      { type: "a", data: "one", lastEventId: "1" },
      { type: "message", data: "two", lastEventId: "1" },
    ]);
    expect(requests).toMatchObject([
      { method: "POST", body: "question", headers: { ...headers, accept: "text/event-stream" } },
    ]);
  });

  test.each([
    ["a connection that breaks", broken("data: one\n\n"), "ERR_NETWORK"],
    ["a connection that breaks before the response", (response: ServerResponse) => response.destroy(), "ERR_NETWORK"],
    ["503", status(503), "ERR_STATUS"],
    ["429", status(429), "ERR_STATUS"],
  ])("is not repeated after %s", async (_, answer, code) => {
    const { url, requests } = await endpoint(answer, stream("data: again\n\n"));
    const error = await errorOf(() => collect(fetchEvents(url, post)));
    expect(error).toMatchObject({ name: "EventStreamError", code });
    expect(requests).toHaveLength(1);
  });

  test("is repeated with maxRetries until a response is good", async () => {
    const { url, requests } = await endpoint(status(503), (response) => response.destroy(), stream("data: one\n\n"));
    expect(await first(9, fetchEvents(url, { ...post, maxRetries: 2 }))).toEqual(["one"]);
    expect(requests.map(({ body }) => body)).toEqual(["question", "question", "question"]);
  });

  test("is repeated with maxRetries after an event with an id, and with that id", async () => {
    const { url, requests } = await endpoint(broken("id: 1\ndata: one\n\n"), stream("id: 2\ndata: two\n\n"));
    expect(await first(9, fetchEvents(url, { ...post, maxRetries: 1 }))).toEqual(["one", "two"]);
    expect(requests.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1"]);
  });

  test("is not repeated with maxRetries after an event without an id", async () => {
    const { url, requests } = await endpoint(broken("data: one\n\n"), stream("data: one\n\n"));
    const error = await errorOf(() => collect(fetchEvents(url, { ...post, maxRetries: 9 })));
    expect([(error as EventStreamError).code, requests.length]).toEqual(["ERR_NETWORK", 1]);
  });

  test("throws the last failure once maxRetries are used up", async () => {
    const { url, requests } = await endpoint(status(503), status(502));
    const error = await errorOf(() => collect(fetchEvents(url, { ...post, maxRetries: 2 })));
    expect([(error as EventStreamError).response?.status, requests.length]).toEqual([502, 3]);
  });
});

describe("a GET", () => {
  test("is repeated with the last id whenever its stream ends or breaks", async () => {
    const { url, requests } = await endpoint(
      stream("id: 1\ndata: one\n\n"),
      broken("id: 2\ndata: two\n\nid: 3\ndata: lost"),
      stream("data: three\n\n"),
    );
    expect(await first(3, fetchEvents(url, quick))).toEqual(["one", "two", "three"]);
    expect(requests.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1", "2"]);
  });

  test("sends an id in UTF-8, as an EventSource does", async () => {
    const { url, requests } = await endpoint(stream("id: é😀\ndata: one\n\n"));
    await first(2, fetchEvents(url, quick));
    expect(Buffer.from(String(requests[1]?.headers["last-event-id"]), "latin1").toString()).toBe("é😀");
  });

  test("sends an id of 7,000 characters, and reports the refusal of a longer one", async () => {
    const { url, requests } = await endpoint(
      stream(`id: ${"i".repeat(7000)}\ndata: one\n\n`),
      stream(`id: ${"i".repeat(1 << 20)}\ndata: two\n\n`),
    );
    const error = await errorOf(() => collect(fetchEvents(url, quick)));
    expect(error).toMatchObject({ code: "ERR_STATUS", response: { status: 431 } });
    expect(String(requests[1]?.headers["last-event-id"])).toHaveLength(7000);
  });

  test("ends at a 204", async () => {
    const { url, requests } = await endpoint(stream("data: one\n\n"), status(204));
    expect(await first(9, fetchEvents(url, quick))).toEqual(["one"]);
    expect(requests).toHaveLength(2);
  });

  test("ends at the end of its stream with maxRetries: 0", async () => {
    const { url, requests } = await endpoint(stream("data: one\n\n"));
    expect(await first(9, fetchEvents(url, { maxRetries: 0 }))).toEqual(["one"]);
    expect(requests).toHaveLength(1);
  });

  test.each([400, 401, 403, 404, 301, 201])("is not repeated after %i", async (code) => {
    const { url, requests } = await endpoint(status(code, {}, "the reason"));
    const error = await errorOf(() => collect(fetchEvents(url, quick)));
    expect(error).toMatchObject({ code: "ERR_STATUS", response: { status: code, body: "the reason" } });
    expect(requests).toHaveLength(1);
  });

  test.each([408, 425, 429, 500, 503])("is repeated after %i", async (code) => {
    const { url } = await endpoint(status(code), stream("data: one\n\n"));
    expect(await first(1, fetchEvents(url, quick))).toEqual(["one"]);
  });

  test.each(["text/html", "application/json", "text/event-streams", ""])(
    "is not repeated after content type %s",
    async (type) => {
      const { url, requests } = await endpoint(status(200, type ? { "content-type": type } : {}, "<p>Log in.</p>"));
      const error = await errorOf(() => collect(fetchEvents(url, quick)));
      expect(error).toMatchObject({ code: "ERR_CONTENT_TYPE", response: { status: 200, body: "<p>Log in.</p>" } });
      expect(requests).toHaveLength(1);
    },
  );

  test.each(["text/event-stream;charset=utf-8", "Text/Event-Stream ; x=y"])("accepts content type %s", async (type) => {
    const { url } = await endpoint((response) => {
      response.writeHead(200, { "content-type": type }).end("data: one\n\n");
    });
    expect(await first(1, fetchEvents(url))).toEqual(["one"]);
  });

  test("reports each failure and its delay to onRetry, and ends with what that throws", async () => {
    const { url } = await endpoint(
      status(503, { "retry-after": "0" }),
      stream("retry: 3\n\n"),
      broken("data: one\n\n"),
    );
    const reported: [string, boolean][] = [];
    const enough = new Error("enough");
    const onRetry = ({ code }: EventStreamError, delayMs: number): void => {
      reported.push([code, delayMs >= 3]);
      if (reported.length === 3) throw enough;
    };
    expect(await errorOf(() => collect(fetchEvents(url, { ...quick, onRetry })))).toBe(enough);
    expect(reported).toEqual([
      ["ERR_STATUS", false],
      ["ERR_ENDED", true],
      ["ERR_NETWORK", true],
    ]);
  });

  test("doubles the bound of its delays, and resets it at an event", async () => {
    const { url } = await endpoint(status(503), status(503), status(503), stream("data: one\n\n"));
    const delays: number[] = [];
    const onRetry = (_: EventStreamError, delayMs: number): void => void delays.push(delayMs);
    await first(2, fetchEvents(url, { backoffMs: 4, maxBackoffMs: 10, onRetry }));
    const bounds = [4, 8, 10, 4];
    expect(delays.map((delay, i) => delay >= Number(bounds[i]) / 2 && delay <= Number(bounds[i]))).toEqual(
      bounds.map(() => true),
    );
  });

  test("waits as long as Retry-After asks", async () => {
    const { url } = await endpoint(status(429, { "retry-after": "2" }), status(503, { "retry-after": "9".repeat(30) }));
    const delays: number[] = [];
    const stop = new Error("stop");
    const onRetry = (_: EventStreamError, delayMs: number): void => {
      delays.push(delayMs);
      throw stop;
    };
    for (let i = 0; i < 2; i += 1) await errorOf(() => collect(fetchEvents(url, { ...quick, onRetry })));
    expect(delays).toEqual([2000, 2_147_483_647]);
  });

  test("calls the function headers before each request, and once more after a 401", async () => {
    const refuse: Respond = (response, { headers }) =>
      (headers["authorization"] === "new" ? stream("data: one\n\n") : status(401))(response, {} as Received);
    const { url, requests } = await endpoint(refuse);
    const tokens = ["old", "new", "new", "older", "oldest"];
    const headers = (): Promise<HeadersInit> => Promise.resolve({ authorization: String(tokens.shift()) });
    const error = await errorOf(() => collect(fetchEvents(url, { ...quick, headers })));
    expect(error).toMatchObject({ code: "ERR_STATUS", response: { status: 401 } });
    expect(requests.map((request) => request.headers["authorization"])).toEqual([
      "old",
      "new",
      "new",
      "older",
      "oldest",
    ]);
  });

  test("retries when the function headers fails", async () => {
    const { url } = await endpoint(stream("data: one\n\n"));
    const codes: string[] = [];
    const headers = (): HeadersInit => {
      if (codes.length === 0) throw new Error("no token");
      return {};
    };
    const onRetry = ({ code }: EventStreamError): void => void codes.push(code);
    expect(await first(1, fetchEvents(url, { ...quick, headers, onRetry }))).toEqual(["one"]);
    expect(codes).toEqual(["ERR_HEADERS"]);
  });
});

test("decodes characters that are split between pieces, and removes a byte order mark", async () => {
  const bytes = Buffer.from("\ufeffdata: é😀\ufeff\n\n");
  const { url } = await endpoint((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (i: number): void => {
      if (i === bytes.length) response.end();
      else response.write(bytes.subarray(i, i + 1), () => setImmediate(send, i + 1));
    };
    send(0);
  });
  expect(await first(1, fetchEvents(url))).toEqual(["é😀\ufeff"]);
});

test("parses data, and ends with ERR_PARSE if that fails", async () => {
  const { url, requests } = await endpoint(stream('data: {"a":1}\n\n', "data: [DONE\n\n"));
  const data: unknown[] = [];
  const error = await errorOf(async () => {
    for await (const event of fetchEvents(url, { parse: JSON.parse as (text: string) => { a: number } }))
      data.push(event.data.a);
  });
  expect(data).toEqual([1]);
  expect(error).toMatchObject({ code: "ERR_PARSE", cause: expect.any(SyntaxError) as Error });
  expect(requests).toHaveLength(1);
});

test("ends with ERR_FRAME at an event that is too long, and does not ask for it again", async () => {
  const { url, requests } = await endpoint(stream("data: one\n\n", `data: ${"x".repeat(200)}\n\n`));
  const error = await errorOf(() => collect(fetchEvents(url, { ...quick, maxEventLength: 100 })));
  expect([(error as EventStreamError).code, requests.length]).toEqual(["ERR_FRAME", 1]);
});

test("gives onOpen each response, and ends with what that throws", async () => {
  const { url, requests } = await endpoint(stream("data: one\n\n"));
  const mine = new Error("not this server");
  const onOpen = ({ headers }: Response): void => {
    expect(headers.get("content-type")).toBe("text/event-stream");
    throw mine;
  };
  expect(await errorOf(() => collect(fetchEvents(url, { ...quick, onOpen })))).toBe(mine);
  expect(requests).toHaveLength(1);
});

test("uses the application's fetch", async () => {
  const asked: string[] = [];
  const own: FetchEventsOptions["fetch"] = (url, { method }) => {
    asked.push(`${method} ${url}`);
    const headers = { "content-type": "text/event-stream" };
    return Promise.resolve(new Response("data: one\n\n", { headers }));
  };
  expect(await first(9, fetchEvents("http://api.test/x", { method: "POST", fetch: own }))).toEqual(["one"]);
  expect(asked).toEqual(["POST http://api.test/x"]);
});

test("reports a platform whose fetch has no body, as React Native's", async () => {
  const headers = new Headers({ "content-type": "text/event-stream" });
  const own = (): Promise<Response> => Promise.resolve({ status: 200, headers } as Response);
  const error = await errorOf(() => collect(fetchEvents("http://api.test/x", { fetch: own })));
  expect((error as EventStreamError).code).toBe("ERR_BODY");
});

describe("the end", () => {
  /** An endpoint whose stream stays open, and whether its client has left. */
  async function open(text: string): Promise<{ url: string; left: Promise<void>; requests: Received[] }> {
    let leave: () => void;
    const left = new Promise<void>((resolve) => (leave = resolve));
    const { url, requests } = await endpoint((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(text);
      response.on("close", () => leave());
    });
    return { url, left, requests };
  }

  test("leaving the loop aborts the request", async () => {
    const { url, left, requests } = await open("data: one\n\ndata: two\n\n");
    expect(await first(1, fetchEvents(url, quick))).toEqual(["one"]);
    await left;
    expect(requests).toHaveLength(1);
  });

  test("the signal aborts the request, and the iteration throws its reason", async () => {
    const { url, left, requests } = await open("data: one\n\n");
    const controller = new AbortController();
    const reason = new Error("stopped by the user");
    const error = await errorOf(async () => {
      for await (const event of fetchEvents(url, { ...quick, signal: controller.signal }))
        if (event.data === "one") setImmediate(() => controller.abort(reason));
    });
    expect(error).toBe(reason);
    await left;
    expect(requests).toHaveLength(1);
  });

  test("the signal ends the iteration before the next event that has arrived", async () => {
    const { url } = await open("data: one\n\ndata: two\n\n");
    const controller = new AbortController();
    const data: string[] = [];
    const error = await errorOf(async () => {
      for await (const event of fetchEvents(url, { signal: controller.signal })) {
        data.push(event.data);
        controller.abort();
      }
    });
    expect([data, (error as Error).name]).toEqual([["one"], "AbortError"]);
  });

  test("a signal that is aborted sends nothing", async () => {
    const { url, requests } = await open("");
    const signal = AbortSignal.abort("before");
    expect(await errorOf(() => collect(fetchEvents(url, { signal })))).toBe("before");
    expect(requests).toEqual([]);
  });

  test("the signal ends a wait for a retry", async () => {
    const { url, requests } = await endpoint(status(503));
    const controller = new AbortController();
    const onRetry = (): void => void setImmediate(() => controller.abort("now"));
    const options = { backoffMs: 1e9, maxBackoffMs: 1e9, signal: controller.signal, onRetry };
    expect(await errorOf(() => collect(fetchEvents(url, options)))).toBe("now");
    expect(requests).toHaveLength(1);
  });

  test("a silent connection breaks after its idle timeout", async () => {
    const { url, left } = await open("data: one\n\n");
    const error = await errorOf(() => collect(fetchEvents(url, { method: "POST", body: "x", idleTimeoutMs: 50 })));
    expect((error as EventStreamError).code).toBe("ERR_SILENT");
    await left;
  });

  test("nothing is sent before the first event is asked for", async () => {
    const { url, requests } = await open("");
    const events = fetchEvents(url);
    await events.return();
    expect(requests).toEqual([]);
  });
});

describe("bad input", () => {
  test.each([
    ["a negative delay", { backoffMs: -1 }],
    ["a delay that is no number", { maxBackoffMs: NaN }],
    ["a timeout that is longer than a timer", { idleTimeoutMs: 2 ** 31 }],
    ["half a retry", { maxRetries: 0.5 }],
    ["a length of 0", { maxEventLength: 0 }],
    ["parse that is no function", { parse: "json" as never }],
    ["onRetry that is no function", { onRetry: 5 as never }],
    ["fetch that is no function", { fetch: {} as never }],
    ["a GET with a body", { body: "x" }],
    ["an invalid method", { method: "A B" }],
    ["an invalid header", { headers: { "a b": "c" } }],
    ["a signal that is none", { signal: {} as never }],
    ["retries of a body that can be sent once", { method: "POST", body: new ReadableStream(), maxRetries: 1 }],
  ])("%s is an ERR_OPTION", async (_, options: FetchEventsOptions) => {
    await expectCode("ERR_OPTION", () => fetchEvents("http://api.test/", options));
  });

  test.each(["javascript:alert(1)", "data:text/event-stream,data:x", "ftp://api.test/"])(
    "%s is an ERR_URL",
    async (url) => {
      expect(await errorOf(() => fetchEvents(url))).toMatchObject({ name: "TypeError", code: "ERR_URL" });
    },
  );

  test("removes user and password from the address, which fetch would refuse", async () => {
    const { url } = await endpoint(stream("data: one\n\n"));
    expect(await first(1, fetchEvents(url.replace("//", "//user:secret@")))).toEqual(["one"]);
  });

  test("resolves a relative address against the page", async () => {
    const globals = globalThis as { location?: unknown };
    globals.location = { href: "http://page.test/a/b" };
    onTestFinished(() => {
      delete globals.location;
    });
    const asked: string[] = [];
    const own = (url: string): Promise<Response> => {
      asked.push(url);
      return Promise.resolve(new Response(null, { status: 204 }));
    };
    await collect(fetchEvents("c?d", { fetch: own }));
    expect(asked).toEqual(["http://page.test/a/c?d"]);
  });
});
