import { describe, expect, test } from "vitest";
import { fetchHandler, Hub, type HubOptions } from "../../../../src/index.ts";
import { acceptEncoding, compressesAll, varyOf } from "../../../support/compresses-all.ts";
import {
  exchange,
  notedHub,
  problemOf,
  request,
  serveHub,
  streams,
  wires,
  type HubServer,
} from "../../../support/hub.ts";
import { RawRequest } from "../../../support/servers.ts";
import { until } from "../../../support/sources.ts";

/** The headers of an answer, without those that vary between answers or belong to the connection. */
function essence(head: string): string[] {
  const own = /^(?:date|connection|keep-alive|transfer-encoding):/i;
  return head
    .split("\r\n")
    .filter((line) => !own.test(line))
    .sort();
}

async function heads({ port }: HubServer, query: string): Promise<{ get: string[]; head: string[]; body: string }> {
  const get = RawRequest.get(port, `/?${query}`);
  await until(() => get.received.includes("\r\n\r\n"));
  get.socket.destroy();
  const head = await exchange(port, `HEAD /?${query} HTTP/1.1\r\nHost: x\r\n${acceptEncoding}\r\n`);
  return {
    get: essence(get.head),
    head: essence(head.split("\r\n\r\n")[0] ?? ""),
    body: head.split("\r\n\r\n")[1] ?? "",
  };
}

describe("HEAD", () => {
  test.each(streams)("returns the head of GET on %s, and opens no subscription", async (wire) => {
    const server = await serveHub();
    const { get, head, body } = await heads(server, `topic=a&wire=${wire}`);
    expect(head).toEqual(get);
    expect(head).toContain("HTTP/1.1 200 OK");
    expect(head.some((line) => /^content-encoding: gzip$/i.test(line))).toBe(compressesAll);
    expect(body).toBe("");
    expect(server.hub.stats().opened).toBe(1);
    expect(server.opened).toHaveLength(1);
  });

  test("is answered at once on poll, with the right length or none", async () => {
    const server = await serveHub();
    const position = await server.hub.topic("a").publish(1);
    const response = await fetch(`${server.origin}/?topic=a&wire=poll&lastEventId=${position}`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("content-length")).toBeNull();
    expect(server.hub.stats().opened).toBe(0);
  });

  test.each(["topic=", "topic=a&wire=x", "topic=a&wire=comet&callback=eval"])(
    "returns the head of GET, without a body, for a rejected request: %s",
    async (query) => {
      const server = await serveHub();
      const { get, head, body } = await heads(server, query);
      // RFC 9110, 8.6: the length may be left out, but must not be another.
      const withoutLength = (lines: string[]): string[] => lines.filter((line) => !/^content-length:/i.test(line));
      expect(withoutLength(head)).toEqual(withoutLength(get));
      const length = head.filter((line) => !withoutLength([line]).length);
      if (length.length > 0) expect(get).toContain(length[0]);
      expect(body).toBe("");
    },
  );

  test("has an empty body through hub.fetch, whose length it does not say", async () => {
    const { hub, opened } = notedHub();
    for (const wire of wires) {
      const response = await hub.fetch(request(`topic=a&wire=${wire}`, { method: "HEAD" }));
      expect(response.status).toBe(200);
      expect(response.headers.has("content-length")).toBe(false);
      expect(await response.text()).toBe("");
    }
    const refused = await hub.fetch(request("", { method: "HEAD" }));
    expect(refused.status).toBe(400);
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(await refused.text()).toBe("");
    expect(opened).toEqual([]);
  });
});

describe("the headers of a stream", () => {
  const expected = {
    ndjson: "application/x-ndjson",
    sse: "text/event-stream",
    comet: "text/html; charset=utf-8",
    poll: "application/json",
  };
  const comet = "default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

  test.each(wires)("match PROTOCOL.md on %s", async (wire) => {
    const { hub } = notedHub();
    const isPacked = compressesAll && wire !== "poll";
    const accepting = isPacked ? { headers: { "accept-encoding": "gzip" } } : {};
    const { headers } = await hub.fetch(request(`topic=a&wire=${wire}`, accepting));
    expect(Object.fromEntries(headers)).toEqual({
      "content-type": expected[wire],
      "cache-control": "no-store, no-transform",
      "x-content-type-options": "nosniff",
      "x-accel-buffering": "no",
      vary: isPacked ? varyOf("Accept, Sec-Fetch-Dest") : "Accept, Sec-Fetch-Dest",
      ...(isPacked && { "content-encoding": "gzip" }),
      "content-security-policy": `${wire === "comet" ? `${comet}; ` : ""}frame-ancestors 'self'`,
      "cross-origin-resource-policy": "same-origin",
    });
  });

  test.each(wires)("keep other origins out of a refusal on %s", async (wire) => {
    const { hub } = notedHub();
    const { status, headers } = await hub.fetch(request(`topic=&wire=${wire}`));
    expect(status).toBe(400);
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
    expect(headers.get("content-security-policy")).toBe(wire === "comet" ? policy : "frame-ancestors 'self'");
  });

  test("allow the scripts of comet by their nonce alone, if there is one", async () => {
    const { hub } = notedHub();
    const policy = `${comet.replace("'unsafe-inline'", "'nonce-abc'")}; frame-ancestors 'self'`;
    for (const query of ["topic=a&wire=comet", "topic=&wire=comet&mode=managed"]) {
      const { headers } = await fetchHandler(hub, { nonce: "abc" })(request(query));
      expect(headers.get("content-security-policy")).toBe(policy);
    }
  });

  test("let the target of a managed comet frame it", async () => {
    const { hub } = notedHub({ cors: { origins: ["https://a.test"] } });
    for (const [topic, status] of [["a", 200] as const, ["", 400] as const]) {
      const query = `topic=${topic}&wire=comet&mode=managed&target=https://a.test`;
      const response = await hub.fetch(request(query));
      expect(response.status).toBe(status);
      expect(response.headers.get("content-security-policy")).toMatch(/; frame-ancestors 'self' https:\/\/a\.test$/);
      expect(response.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
    }
    const { headers } = await hub.fetch(request("topic=a&wire=comet&mode=managed&target=https://b.test"));
    expect(headers.get("content-security-policy")).toMatch(/; frame-ancestors 'self'$/);
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  });

  test.each([
    ["script-src 'self'", undefined],
    ["default-src 'none'; frame-ancestors 'self'", undefined],
    ["frame-ancestors 'self', script-src-elem https:", undefined],
    ["script-src 'unsafe-inline' 'nonce-other'", undefined],
    ["script-src 'nonce-other'", "abc"],
    ["script-src 'self'; script-src 'unsafe-inline'", undefined],
  ])("report once that the application's policy %j blocks the scripts of comet", async (policy, nonce) => {
    const { hub, errors } = notedHub();
    const options = { headers: { "content-security-policy": policy }, ...(nonce === undefined ? {} : { nonce }) };
    const connect = fetchHandler(hub, options);
    for (const wire of ["ndjson", "sse", "poll"]) await connect(request(`topic=a&wire=${wire}`));
    await connect(request("topic=&wire=comet"));
    expect(errors).toEqual([]);
    for (let i = 0; i < 3; i += 1) {
      const { headers } = await connect(request("topic=a&wire=comet"));
      expect(headers.get("content-security-policy")).toBe(policy);
    }
    expect(errors).toMatchObject([{ code: "ERR_OPTION", message: expect.stringContaining("comet") as string }]);
  });

  test.each([
    ["frame-ancestors 'self'", undefined],
    ["script-src 'self' 'unsafe-inline'", undefined],
    ["script-src 'sha256-abc='", undefined],
    ["default-src 'none'; script-src 'nonce-abc'", "abc"],
  ])("report nothing of the application's policy %j, which allows them", async (policy, nonce) => {
    const { hub, errors } = notedHub();
    const options = { headers: { "content-security-policy": policy }, ...(nonce === undefined ? {} : { nonce }) };
    await fetchHandler(hub, options)(request("topic=a&wire=comet"));
    expect(errors).toEqual([]);
  });

  test("are overridden by the application's, and merged with others", async () => {
    const { hub } = notedHub();
    const headers = {
      "content-security-policy": "frame-ancestors https://example.com",
      "cross-origin-resource-policy": "cross-origin",
      "cache-control": "no-store",
      "x-own": "1",
      vary: "Cookie",
    };
    const response = await fetchHandler(hub, { headers })(request("topic=a&wire=comet"));
    expect(response.headers.get("content-security-policy")).toBe("frame-ancestors https://example.com");
    expect(response.headers.get("cache-control")).toBe("no-store, no-transform");
    expect(response.headers.get("x-own")).toBe("1");
    expect(response.headers.get("vary")).toBe(varyOf("Cookie, Accept, Sec-Fetch-Dest"));
    const refused = await fetchHandler(hub, { headers })(request("wire=comet"));
    expect(refused.headers.get("content-security-policy")).toBe("frame-ancestors https://example.com");
    expect(response.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
    expect(refused.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
  });
});

describe("CORS", () => {
  const origin = "https://example.com";
  const cors: HubOptions = { cors: { origins: [origin, "http://localhost:8080"] } };
  const from = (from: string, init: RequestInit = {}): RequestInit => ({ ...init, headers: { origin: from } });
  const allowed = (response: Response): Record<string, string> =>
    Object.fromEntries([...response.headers].filter(([name]) => name.startsWith("access-control-")));

  test("lets a page of a listed origin read the stream, and Retry-After", async () => {
    const { hub } = notedHub(cors);
    const response = await hub.fetch(request("topic=a", from(origin)));
    expect(allowed(response)).toEqual({
      "access-control-allow-origin": origin,
      "access-control-expose-headers": "Retry-After",
    });
    expect(response.headers.get("vary")).toBe(varyOf("Origin, Accept, Sec-Fetch-Dest"));
  });

  test.each([
    "https://example.com.evil.test",
    "http://example.com",
    "https://EXAMPLE.com",
    "null",
    "*",
    `${origin}:443`,
    "",
  ])("denies a page of %j, and varies that answer with the origin too", async (other) => {
    const { hub } = notedHub(cors);
    for (const init of [from(other), {}]) {
      const response = await hub.fetch(request("topic=a", init));
      expect(allowed(response)).toEqual({});
      expect(response.headers.get("vary")).toBe(varyOf("Origin, Accept, Sec-Fetch-Dest"));
    }
  });

  test("lets a page of a listed origin read the problem of a rejection", async () => {
    const { hub } = notedHub(cors);
    const refused = await hub.fetch(request("", from(origin)));
    await problemOf(refused, 400, "ERR_TOPIC");
    expect(allowed(refused)["access-control-allow-origin"]).toBe(origin);
    expect(refused.headers.get("vary")).toContain("Origin");
    expect((await hub.fetch(request("", {}))).headers.get("vary")).toContain("Origin");
  });

  test("allows credentials if the application does", async () => {
    const { hub } = notedHub({ cors: { origins: [origin], credentials: true } });
    expect(allowed(await hub.fetch(request("topic=a", from(origin))))["access-control-allow-credentials"]).toBe("true");
    expect(allowed(await hub.fetch(request("topic=a", from("https://evil.test"))))).toEqual({});
  });

  test("answers any preflight of a listed origin, and opens no subscription", async () => {
    const noted = notedHub({ ...cors, authorize: () => 401 });
    for (const query of ["topic=a", ""]) {
      const response = await noted.hub.fetch(request(query, from(origin, { method: "OPTIONS" })));
      expect(response.status).toBe(204);
      expect(response.headers.has("content-length")).toBe(false);
      expect(await response.text()).toBe("");
      expect(allowed(response)).toEqual({
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "Authorization, Last-Event-ID",
        "access-control-expose-headers": "Retry-After",
        "access-control-max-age": "600",
      });
    }
    expect(noted.hub.stats()).toMatchObject({ opened: 0, rejected: 0, topics: 0 });
  });

  test("answers a preflight of another origin without CORS headers", async () => {
    const { hub } = notedHub(cors);
    const response = await hub.fetch(request("topic=a", from("https://evil.test", { method: "OPTIONS" })));
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toEqual({ vary: "Origin" });
  });

  test("answers a preflight over HTTP without Content-Length", async () => {
    const { port } = await serveHub(cors);
    const answer = await exchange(port, `OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 204 No Content\r\n/);
    // RFC 9110, 8.6: a server must not send one with 204.
    expect(answer).not.toMatch(/\r\n(?:content-length|transfer-encoding):/i);
  });

  test("rejects OPTIONS like any other method if no origin is listed", async () => {
    const { hub } = notedHub();
    const response = await hub.fetch(request("topic=a", from(origin, { method: "OPTIONS" })));
    expect(response.headers.get("vary") ?? "").not.toContain("Origin");
    await problemOf(response, 405, "ERR_METHOD");
  });

  test("keeps the application's own Vary", async () => {
    const { hub } = notedHub(cors);
    const response = await fetchHandler(hub, { headers: { vary: "Cookie" } })(request("topic=a", from(origin)));
    const expected = varyOf("Accept, Cookie, Origin, Sec-Fetch-Dest").split(", ").sort();
    expect(response.headers.get("vary")?.split(", ").sort()).toEqual(expected);
  });
});

describe("the headers that streams share", () => {
  test("stay as they are after answers without a body, other wires, codings and headers of one's own", async () => {
    const hub = new Hub({ compression: true, cors: { origins: ["https://a.example"] } });
    const plain = new Hub();
    await plain.topic("done", { finite: true }).end();
    const get = async (handler: (request: Request) => Promise<Response>, query: string, headers = {}) => {
      const response = await handler(request(query, { headers }));
      await response.body?.cancel();
      return [response.status, ...response.headers].map(String);
    };
    const first = await get(plain.fetch, "topic=a&wire=sse");
    const zipped = await get(hub.fetch, "topic=a&wire=sse", { "accept-encoding": "gzip" });
    const end = await plain.topic("done").position();
    expect(await get(plain.fetch, "topic=done&wire=sse", { "last-event-id": end })).toContain("204");
    await get(fetchHandler(plain, { headers: { "x-own": "1" } }), "topic=a&wire=sse");
    await get(fetchHandler(plain, { nonce: "abcd" }), "topic=a&wire=comet");
    await get(hub.fetch, "topic=a&wire=sse", { origin: "https://a.example" });
    expect(await get(plain.fetch, "topic=a&wire=sse")).toEqual(first);
    expect(await get(hub.fetch, "topic=a&wire=sse", { "accept-encoding": "gzip" })).toEqual(zipped);
    expect(String(await get(plain.fetch, "topic=a&wire=comet"))).not.toContain("nonce");
  });
});
