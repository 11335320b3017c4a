import { createServer, type ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../../../src/adapters/node/index.ts";
import { notedHub } from "../../../support/hub.ts";
import { RawRequest, serve } from "../../../support/servers.ts";
import { expectCode, until } from "../../../support/sources.ts";

describe("headers", () => {
  /** Serves one hub, after a change to the response. */
  async function servePrepared(prepare: (response: ServerResponse) => void, headers?: HeadersInit) {
    const noted = notedHub();
    const handle = nodeHandler(noted.hub, headers === undefined ? {} : { headers });
    const server = await serve((response) => {
      prepare(response as ServerResponse);
      void handle(response.req, response);
    });
    return { ...noted, ...server };
  }

  test("of the response are kept, and options.headers override them", async () => {
    const { port } = await servePrepared(
      (response) => {
        response.setHeader("X-Kept", "1");
        response.setHeader("Cache-Control", "no-cache");
        response.setHeader("Cross-Origin-Resource-Policy", "same-site");
        response.setHeader("X-Replaced", "old");
      },
      { "x-replaced": "new" },
    );
    const { head } = await RawRequest.get(port, "/?topic=a&wire=comet").has(1);
    const lines = head.toLowerCase().split("\r\n");
    for (const line of [
      "x-kept: 1",
      "x-replaced: new",
      "cache-control: no-cache, no-transform",
      "cross-origin-resource-policy: same-site",
      "x-content-type-options: nosniff",
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.filter((line) => line.startsWith("content-security-policy"))).toHaveLength(1);
  });

  test.each([
    ["frame-ancestors https://example.com", "frame-ancestors https://example.com"],
    ["script-src 'self'; frame-ancestors 'none'; base-uri 'self'", "frame-ancestors 'self'"],
    ["default-src 'self'", "frame-ancestors 'self'"],
  ])("replace the policy %j of a middleware on comet, and keep it on other wires", async (policy, frames) => {
    const { origin, errors } = await servePrepared((response) => response.setHeader("Content-Security-Policy", policy));
    const policyOn = async (query: string): Promise<string | null> => {
      const leave = new AbortController();
      const { headers } = await fetch(`${origin}/?${query}`, leave);
      leave.abort();
      return headers.get("content-security-policy");
    };
    const own = "default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    expect(await policyOn("topic=a&wire=comet")).toBe(`${own}; ${frames}`);
    const kept = policy.includes("frame-ancestors") ? policy : `${policy}, frame-ancestors 'self'`;
    expect(await policyOn("topic=a&wire=ndjson")).toBe(kept);
    expect(await policyOn("topic=a&wire=sse")).toBe(kept);
    expect(await policyOn("topic=a&wire=poll&wait=0")).toBe(kept);
    expect(await policyOn("topic=&wire=ndjson")).toBe(kept);
    expect(errors).toEqual([]);
  });

  test("include an earlier Vary of the response", async () => {
    const { port } = await servePrepared((response) => response.setHeader("Vary", "Accept-Encoding"));
    const { head } = await RawRequest.get(port, "/?topic=a&wire=ndjson").has(1);
    expect(head).toMatch(/^vary: .*accept-encoding/im);
    expect(head).toMatch(/^vary: .*sec-fetch-dest/im);
  });

  test("include each cookie in a header of its own", async () => {
    const headers: [string, string][] = [
      ["set-cookie", "a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT"],
      ["set-cookie", "b=2"],
    ];
    const { port } = await servePrepared(() => undefined, headers);
    const { head } = await RawRequest.get(port, "/?topic=a&wire=ndjson").has(1);
    expect(head.match(/^set-cookie: .*/gim)).toHaveLength(2);
  });

  test("cannot be set once the head was sent, which is ERR_RESPONSE", async () => {
    const { port, errors, hub } = await servePrepared((response) => response.writeHead(200).flushHeaders());
    RawRequest.get(port, "/?topic=a&wire=ndjson");
    await until(() => errors.length === 1);
    await expectCode("ERR_RESPONSE", () => Promise.reject(errors[0]));
    expect(hub.stats().opened).toBe(0);
  });
});

test.each([
  ["a stream", "wire=ndjson"],
  ["a poll", "wire=poll"],
])("gives the place of %s back if its head cannot be sent", async (_, query) => {
  const { hub, errors } = notedHub({ maxConnections: 1 });
  const handle = nodeHandler(hub);
  const fails = (): never => {
    throw new Error("A middleware failed.");
  };
  const server = await serve((response) => {
    const { req } = response as ServerResponse;
    // As a listener of the package on-headers.
    if (req.headers["x-fail"] === "1") Object.assign(response, { writeHead: fails, setHeader: fails });
    void handle(req, response);
  });
  for (let i = 0; i < 2; i += 1) {
    await expect(fetch(`${server.origin}/?topic=a&${query}`, { headers: { "x-fail": "1" } })).rejects.toThrow();
  }
  expect(errors).toHaveLength(2);
  expect((await fetch(`${server.origin}/?topic=a&wire=poll&wait=0`)).status).toBe(200);
});

test("serves a hub beside other routes, with the application's own path and parameters", async () => {
  const { hub, opened } = notedHub();
  const server = createServer((request, response) => {
    const user = new URL(request.url ?? "/", "http://x").searchParams.get("user");
    if (request.url?.startsWith("/events") !== true) response.end("a page");
    else void nodeHandler(hub, { topics: [`user:${user}`], headers: { "x-user": user ?? "" } })(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const response = await fetch(`http://127.0.0.1:${port}/events/live?user=7&topic=user:8&wire=ndjson`);
  expect(response.headers.get("x-user")).toBe("7");
  expect(opened.map(({ topics }) => topics)).toEqual([["user:7"]]);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("a page");
});
