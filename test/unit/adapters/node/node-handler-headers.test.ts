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
        response.setHeader("Content-Security-Policy", "frame-ancestors https://example.com");
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
      "content-security-policy: frame-ancestors https://example.com",
      "x-content-type-options: nosniff",
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.filter((line) => line.startsWith("content-security-policy"))).toHaveLength(1);
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
