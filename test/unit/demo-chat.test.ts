import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { useDemo } from "../support/demo.ts";

const demo = useDemo();

interface Reply {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: Record<string, unknown>;
}

/** Posts with any headers, including those that `fetch` forbids. */
async function post(body: string, headers: Record<string, string> = {}): Promise<Reply> {
  const sent = request({ port: demo.port, host: "127.0.0.1", path: "/chat/messages", method: "POST", headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return {
    status: response.statusCode,
    type: response.headers["content-type"],
    body: JSON.parse(text) as Record<string, unknown>,
  };
}

const good = { name: "Ada", text: "Hello", messageId: "m-1" };
const posted = (changes: object, headers?: Record<string, string>): Promise<Reply> =>
  post(JSON.stringify({ ...good, messageId: crypto.randomUUID(), ...changes }), headers);

describe("POST /chat/messages", () => {
  test("answers with the message's position, and with the same one when it is posted again", async () => {
    const first = await post(JSON.stringify(good));
    expect(first).toMatchObject({ status: 201, type: "application/json" });
    expect(first.body["id"]).toMatch(/^chat=\w+\.\d+$/);
    expect((await post(JSON.stringify(good))).body).toEqual(first.body);
    expect((await posted({})).body).not.toEqual(first.body);
  });

  test.each([
    { name: "n".repeat(40), text: "t".repeat(500) },
    { name: "é", text: "<script>alert(1)</script>" },
    { name: "👩‍🚀", text: "\u202eشكرا" },
  ])("accepts %j", async (message) => {
    expect((await posted(message)).status).toBe(201);
  });

  test.each([
    ["name", ["", "   ", "\u200b", "n".repeat(41), "a\nb", "a\u0007b", "\ud800", 7, null, undefined]],
    ["text", ["", "\u00a0", "t".repeat(501), "a\nb", "a\u0000", "\udc00x", {}, undefined]],
    ["messageId", ["", "m".repeat(65), "a b", "a\n", "é", 1, undefined]],
  ])("refuses an invalid %s with an error message", async (member, values) => {
    for (const value of values) {
      const reply = await posted({ [member]: value });
      expect(reply).toMatchObject({ status: 400, type: "application/problem+json" });
      expect(reply.body).toMatchObject({ status: 400, title: "Bad Request" });
      expect(reply.body["detail"]).toMatch(new RegExp(`^${member} must be`));
    }
  });

  test.each(["", "{", "null", "[]", "7", '"text"'])("refuses a body of %j", async (body) => {
    expect((await post(body)).status).toBe(400);
  });

  test("refuses a large body, with or without a Content-Length", async () => {
    const large = JSON.stringify({ ...good, more: "x".repeat(100_000) });
    const declared = { "content-length": String(Buffer.byteLength(large)) };
    for (const headers of [declared, { "transfer-encoding": "chunked" }]) {
      expect(await post(large, headers)).toMatchObject({ status: 413, type: "application/problem+json" });
    }
  });

  test.each([
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "sec-fetch-site": "same-site" }, 403],
    [{ "sec-fetch-site": "none" }, 403],
    [{ origin: "https://example.com" }, 403],
    [{ origin: "null" }, 403],
    [{ "sec-fetch-site": "same-origin" }, 201],
    [{}, 201],
  ])("answers headers %j with %i", async (headers: Record<string, string>, status) => {
    expect((await posted({}, headers)).status).toBe(status);
  });

  test("accepts its own origin, under each name of this machine", async () => {
    for (const name of ["localhost", "127.0.0.1", "[::1]"]) {
      const host = `${name}:${demo.port}`;
      expect((await posted({}, { host, origin: `http://${host}` })).status).toBe(201);
    }
  });

  test.each(["GET", "PUT", "DELETE"])("answers %s with 405", async (method) => {
    const response = await fetch(`${demo.origin}/chat/messages`, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});
