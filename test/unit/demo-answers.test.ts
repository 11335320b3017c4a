import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { useDemo } from "../support/demo.ts";

const demo = useDemo();

/** Posts with any headers, including those that `fetch` forbids. @returns the status and the problem. */
async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<[number, unknown]> {
  const sent = request({ port: demo.port, host: "127.0.0.1", path, method: "POST", headers });
  sent.end(typeof body === "string" ? body : JSON.stringify(body));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return [response.statusCode ?? 0, (JSON.parse(text) as { detail?: string }).detail];
}

const paths = ["/answers", "/answers/stop"] as const;
const good = (): object => ({ id: crypto.randomUUID(), question: "Why?" });

describe.each(paths)("POST %s", (path) => {
  test.each([
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ "sec-fetch-site": "same-site" }, 403],
    [{ origin: "https://example.com" }, 403],
    [{ origin: "null" }, 403],
    [{ "sec-fetch-site": "same-origin" }, 202],
    [{}, 202],
  ])("answers headers %j with %i", async (headers: Record<string, string>, status) => {
    expect(await post(path, good(), headers)).toEqual([
      status,
      status === 403 ? "Only this server's own pages may post." : undefined,
    ]);
  });

  test.each(["", "{", "null", "[]", "7", '{"id":7}', '{"id":"chat"}'])("refuses a body of %j", async (body) => {
    expect(await post(path, body)).toEqual([400, expect.stringMatching(/^id must be a UUID/)]);
  });

  test("refuses a large body", async () => {
    expect(await post(path, { ...good(), more: "x".repeat(5000) })).toEqual([413, expect.any(String)]);
  });

  test.each(["GET", "PUT", "DELETE"])("answers %s with 405", async (method) => {
    const response = await fetch(demo.origin + path, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });
});

test.each(["", " ", "a\nb", "a\u0000", "\ud800", "q".repeat(201), 7, null, undefined])(
  "refuses the question %j",
  async (question) => {
    expect(await post("/answers", { ...good(), question })).toEqual([400, expect.stringMatching(/^question must be/)]);
  },
);

test("accepts a question of 200 escaped characters", async () => {
  const { id } = good() as { id: string };
  const question = "\\u00e9".repeat(200);
  expect(await post("/answers", `{"id":"${id}","question":"${question}"}`)).toEqual([202, undefined]);
});
