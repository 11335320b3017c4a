import { describe, expect, test } from "vitest";
import { fetchHandler, type HubOptions } from "../../../../src/index.ts";
import type { Problem } from "../../../../src/wire/item.ts";
import { expectProblem, notedHub, request, serveHub, withBystander } from "../../../support/hub.ts";

const page = "https://page.test";
const options: HubOptions = {
  topics: (name) => name !== "secret",
  cors: { origins: [page, "http://other.test:8080"] },
};
const managed = "topic=news&wire=comet&mode=managed";
const posted = `${managed}&target=${encodeURIComponent(page)}`;

/** The items of a document, in its comments or in the script of a refusal, and the origin that each script posts them to. */
function postedItems(body: string): { readonly items: unknown[]; readonly targets: unknown[] } {
  const comments = [...body.matchAll(/<!--(.+?)-->/gs)].flatMap(([, text = ""]) => text.trim().split("\n"));
  const calls = [...body.matchAll(/parent\.postMessage\((t|\[.*?\]),("[^"]*")\);/g)];
  const refused = calls.flatMap(([, texts = ""]) => (texts === "t" ? [] : (JSON.parse(texts) as string[])));
  return {
    items: [...comments, ...refused].map((text) => JSON.parse(text) as unknown),
    targets: calls.map(([, , target = ""]) => JSON.parse(target) as unknown),
  };
}

/** The policy of a comet document, without its frames. */
const own = "default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

describe("a comet with a target", () => {
  test("posts all its items to this origin, and calls no callback", async () => {
    const { hub, origin, reasons } = await serveHub({ ...options, maxConnectionBytes: 4096, maxCometBytes: 4096 });
    const position = await hub.topic("news").publish({ title: "</script><!--" });
    const response = await fetch(`${origin}/?${posted}&from=oldest`);
    expect(response.status).toBe(200);
    await hub.topic("news").publish("x".repeat(4096));
    const body = await response.text();
    expect(body.match(/<script/g)).toHaveLength(body.match(/parent\.postMessage\(/g)?.length ?? 0);
    const { items, targets } = postedItems(body);
    expect(items).toMatchObject([
      { open: { states: { news: "fresh" } } },
      { id: position, data: { title: "</script><!--" } },
      { data: "x".repeat(4096) },
      { end: { reason: "recycle" } },
    ]);
    expect(new Set(targets)).toEqual(new Set([page]));
    expect(reasons).toEqual(["recycle"]);
  });

  test("keeps the connection alive without posting", async () => {
    const { hub } = notedHub({ ...options, heartbeatMs: 50, maxConnectionAgeMs: 250 });
    const body = await (await hub.fetch(request(posted))).text();
    expect(body).toContain("<!----><!---->");
  });

  test("may be framed by this origin, and by its own", async () => {
    const { hub } = notedHub(options);
    const policy = async (query: string, headers?: HeadersInit): Promise<string | null> => {
      const response = await fetchHandler(hub, headers === undefined ? {} : { headers })(request(query));
      await response.body?.cancel();
      return response.headers.get("content-security-policy");
    };
    expect(await policy(posted)).toBe(`${own}; frame-ancestors 'self' ${page}`);
    expect(await policy(managed)).toBe(`${own}; frame-ancestors 'self'`);
    expect(await policy(posted, { "content-security-policy": "frame-ancestors *" })).toBe("frame-ancestors *");
    expect(await policy("topic=news&wire=sse&mode=managed")).toBe("frame-ancestors 'self'");
  });

  test("posts a rejection too", async () => {
    const server = await withBystander(options);
    const response = await fetch(`${server.origin}/?${posted.replace("news", "secret")}`);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toBe(`${own}; frame-ancestors 'self' ${page}`);
    const { items, targets } = postedItems(await response.text());
    expect(targets).toEqual([page]);
    expectProblem((items[0] as { error: Problem }).error, 404, "ERR_TOPIC_UNKNOWN");
    await server.check();
  });

  test("has the nonce of the application in every script", async () => {
    const { hub } = notedHub({ ...options, maxConnectionAgeMs: 20 });
    const body = await (await fetchHandler(hub, { nonce: "bm9uY2U" })(request(posted))).text();
    expect(body.match(/<script/g)).toHaveLength(1);
    expect(body).toContain('<script nonce="bm9uY2U">var o=new MutationObserver(');
  });

  test.each([
    "*",
    "",
    "/",
    "null",
    "https://page.test/",
    "https://page.test:444",
    "http://page.test",
    "https://PAGE.test",
    "https://page.test.evil.test",
    'https://page.test");alert("',
    "https://page.test</script>",
    "https://page.test 'unsafe-inline'",
    "https://page.test; script-src *",
  ])("is rejected if the target is %j", async (target) => {
    const server = await withBystander(options);
    const response = await fetch(`${server.origin}/?${managed}&target=${encodeURIComponent(target)}`);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-security-policy")).toBe(
      `${own.replace(" script-src 'unsafe-inline';", "")}; frame-ancestors 'self'`,
    );
    const body = await response.text();
    expect(body).not.toMatch(/<script/i);
    expect(body).toContain("ERR_CALLBACK");
    await server.check();
  });

  test("is rejected if the server allows no origins, in plain mode, and with two targets", async () => {
    const open = notedHub(options).hub;
    const closed = notedHub().hub;
    for (const [hub, query, code] of [
      [closed, posted, "ERR_CALLBACK"],
      [open, posted.replace("mode=managed", "mode=plain"), "ERR_CALLBACK"],
      [open, `${posted}&target=${encodeURIComponent(page)}`, "ERR_PARAMETER"],
    ] as const) {
      const response = await hub.fetch(request(query));
      expect(response.status).toBe(400);
      const body = await response.text();
      expect(body).toContain(code);
      expect(body).not.toMatch(/<script/);
    }
  });
});

describe("managed sse", () => {
  const query = "topic=news&wire=sse&mode=managed";

  test("consists of lines of ndjson, with data of every type, and no field except data", async () => {
    const server = await serveHub();
    const follower = await (await server.follow(query)).begun();
    expect(follower.response.headers.get("content-type")).toBe("text/event-stream");
    const values = ["text", 'a\r\nb\n"</script>', 1.5, null, false, [{ a: ["é"] }], "1"];
    for (const value of values) await server.hub.topic("news").publish(value);
    await server.hub.topic("news").publish(2, { event: "tick", key: "k", messageId: "m" });
    await follower.has(values.length + 1);
    expect(follower.data).toEqual([...values, 2]);
    expect(follower.items.at(-1)).toMatchObject({ type: "message", event: "tick", key: "k", messageId: "m", data: 2 });
    expect(follower.open.states).toEqual({ news: "fresh" });
    for (const line of follower.text.split("\n")) expect(line).toMatch(/^(?:data: \{.*\}|)$/);
  });

  test("sends messages of one flush as one event", async () => {
    const server = await serveHub();
    const follower = await (await server.follow(query)).begun();
    await Promise.all([1, 2, 3].map((value) => server.hub.topic("news").publish(value)));
    await follower.has(3);
    const events = follower.text.split("\n\n").filter((event) => event !== "");
    expect(events.map((event) => event.split("\n").length)).toEqual([1, 3]);
  });

  test("names the one topic of each message, resumes, and ends with an end", async () => {
    const server = await serveHub({ maxConnectionAgeMs: 250, heartbeatMs: 50 });
    const first = await server.hub.topic("news").publish(1);
    const second = await server.hub.topic("news").publish(2);
    const other = await server.hub.topic("b").publish(3);
    const follower = await server.follow(`${query}&topic=b&from=oldest&lastEventId=${encodeURIComponent(first)}`);
    await follower.ended();
    const ids = follower.items.flatMap((item) => (item.type === "message" ? [item.id] : []));
    expect(ids.sort()).toEqual([second, other].sort());
    expect(follower.open.states).toEqual({ news: "recovered", b: "fresh" });
    expect(follower.end).toMatchObject({ reason: "recycle", retryMs: 0 });
    expect(follower.heartbeats).toBeGreaterThan(0);
    expect(follower.text).toContain("\ndata:\n\n");
  });

  test("sends a gap as a line", async () => {
    const server = await serveHub();
    const follower = await server.follow(`${query}&lastEventId=news%3Dother.7`);
    await follower.begun();
    await server.hub.topic("news").publish(1);
    await follower.has(1);
    expect(follower.items.map(({ type }) => type)).toEqual(["open", "gap", "message"]);
  });

  test("leaves ndjson and poll unchanged in managed mode", async () => {
    const server = await serveHub();
    await server.hub.topic("news").publish("a");
    for (const wire of ["ndjson", "poll"]) {
      const follower = await server.follow(`topic=news&from=oldest&wire=${wire}&mode=managed`);
      expect((await follower.has(1)).data).toEqual(["a"]);
      follower.leave();
    }
  });
});
