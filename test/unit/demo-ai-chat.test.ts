import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { useDemo } from "../support/demo.ts";

const demo = useDemo();

/** The size of React and the SDK together, with some room for their next releases. */
const MAX_SCRIPT_BYTES = 512 * 1024;

const ada = `ada:${crypto.randomUUID()}`;
const question = [{ id: "1", role: "user", parts: [{ type: "text", text: "Why?" }] }];

interface Reply {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Sends a request with any headers, including those that `fetch` forbids. */
async function send(method: string, path: string, body = "", headers: Record<string, string> = {}): Promise<Reply> {
  const sent = request({ port: demo.port, host: "127.0.0.1", path, method, headers });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, headers: response.headers, text };
}

const ask = (body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
  send("POST", "/api/chat", typeof body === "string" ? body : JSON.stringify(body), headers);
const asAda = { cookie: "other=1; user=ada" };

test("begins a chat of the user that the query names", async () => {
  for (const [query, user] of [
    ["", "ada"],
    ["?user=bob", "bob"],
  ]) {
    const { status, headers } = await send("GET", `/ai-chat/${query}`);
    expect(status).toBe(302);
    expect(headers["set-cookie"]).toEqual([`user=${user}; Path=/; HttpOnly; SameSite=Strict`]);
    expect(headers.location).toMatch(new RegExp(`^/ai-chat/${user}:[\\da-f-]{36}$`));
    expect((await send("GET", headers.location ?? "")).status).toBe(200);
  }
  for (const user of ["", "Ada", "a%0d%0ab", "x".repeat(21), "a;b"]) {
    expect((await send("GET", `/ai-chat/?user=${user}`)).status).toBe(400);
  }
  expect((await send("GET", "/ai-chat/ada")).status).toBe(404);
});

test("serves the page's script, which has React and the SDK", async () => {
  const { status, headers, text } = await send("GET", "/ai-chat.js");
  expect([status, headers["content-type"]]).toEqual([200, "text/javascript; charset=utf-8"]);
  expect(text.length).toBeLessThan(MAX_SCRIPT_BYTES);
});

describe("POST /api/chat", () => {
  test.each([
    ["is no object", "7"],
    ["is no JSON", "{"],
    ["has an id without a user", { id: crypto.randomUUID(), messages: question }],
    ["has no messages", { id: ada }],
    ["has messages that are none", { id: ada, messages: [{ role: "user" }] }],
    ["has messages of another shape", { id: ada, messages: { length: 1 } }],
  ])("gets 400 if its body %s", async (_, body) => {
    const { status, text } = await ask(body, asAda);
    expect([status, (JSON.parse(text) as { detail: string }).detail]).toEqual([
      400,
      "id must be a user and a UUID, and messages those of useChat.",
    ]);
  });

  test("gets 413 for a large body", async () => {
    expect((await ask("x".repeat(300_000), asAda)).status).toBe(413);
  });

  test("gets 403 from another site, from another user, and without a user", async () => {
    const body = { id: ada, messages: question };
    for (const headers of [{ ...asAda, "sec-fetch-site": "cross-site" }, { cookie: "user=bob" }, {}]) {
      expect((await ask(body, headers as Record<string, string>)).status).toBe(403);
    }
    expect((await send("GET", `/api/chat/${ada}/stream`, "", asAda)).status).toBe(204);
  });
});

test("lets only its user read and stop an answer, and read the chat", async () => {
  const asked = ask({ id: ada, messages: question }, asAda);
  const path = `/api/chat/${encodeURIComponent(ada)}`;
  for (const cookie of ["user=bob", ""]) {
    expect((await send("GET", path, "", { cookie })).status).toBe(403);
    expect((await send("GET", `${path}/stream`, "", { cookie })).status).toBe(403);
    expect((await send("DELETE", `${path}/stream`, "", { cookie })).status).toBe(403);
  }
  expect((await send("GET", `/live?topic=ai-chat:${ada}&wire=ndjson`, "", asAda)).status).toBe(403);
  // The question may arrive after the others.
  let stopped = "";
  while (stopped === "") {
    const { status, text } = await send("GET", path, "", asAda);
    expect(status).toBe(200);
    if ((JSON.parse(text) as unknown[]).length > 0) {
      expect((await send("DELETE", `${path}/stream`, "", asAda)).status).toBe(204);
      stopped = (await asked).text;
    }
  }
  expect(stopped).toMatch(/data: {"type":"abort"/);
});

test.each(["", "ada", "ID/other", "ID/stream/more"])("has nothing at /api/chat/%s", async (path) => {
  expect((await send("GET", `/api/chat/${path.replace("ID", ada)}`, "", asAda)).status).toBe(404);
});
