import fc from "fast-check";
import { expect, test } from "vitest";
import type { HubOptions } from "../../src/index.ts";
import type { Problem } from "../../src/wire/item.ts";
import { exchange, expectProblem, followHub, notedHub, request, serveHub, wireOfResponse } from "../support/hub.ts";
import { hostileString } from "../support/hostile.ts";

const runs = { numRuns: 400 };
const options: HubOptions = { topics: (name) => name !== "secret", pollMs: 20, maxTopics: 1000 };

const codes: Readonly<Record<string, number>> = {
  ERR_PARAMETER: 400,
  ERR_WIRE: 400,
  ERR_TOPIC: 400,
  ERR_POSITION: 400,
  ERR_CALLBACK: 400,
  ERR_TOPIC_UNKNOWN: 404,
  ERR_METHOD: 405,
  ERR_ACCEPT: 406,
};

const names = ["topic", "wire", "mode", "callback", "lastEventId", "from", "token", ""];
const values = [
  "a",
  "b",
  "secret",
  "comet",
  "sse",
  "ndjson",
  "poll",
  "plain",
  "managed",
  "parent.cometMessage",
  "eval",
  "newest",
  "oldest",
  "a=x.1",
  "a=x.1,b=y.2",
  "",
];

const parameter = fc.tuple(
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: hostileString }),
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: hostileString }),
);

/** Queries: well-formed ones of known words, random text, and known words with some of it replaced. */
const query = fc.oneof(
  fc.array(parameter, { maxLength: 6 }).map((all) => new URLSearchParams(all).toString()),
  fc.string({ maxLength: 60 }),
  fc
    .tuple(fc.array(parameter, { minLength: 1, maxLength: 4 }), fc.nat(), fc.string({ maxLength: 3 }))
    .map(([all, at, text]) => {
      const good = `topic=a&${new URLSearchParams(all).toString()}`;
      const cut = at % good.length;
      return good.slice(0, cut) + text + good.slice(cut + 1);
    }),
);

const headerText = fc.string({ unit: "binary-ascii", maxLength: 40 }).map((text) => text.replace(/[^ -~]/g, "").trim());
const headers = fc.record(
  {
    accept: fc.oneof(headerText, fc.constantFrom("*/*", "text/html", "image/png", "text/event-stream;q=0.5, */*;q=0")),
    "last-event-id": fc.oneof(headerText, fc.constantFrom("a=x.1", "", "a=x.1,b=y.0")),
    "sec-fetch-dest": fc.oneof(headerText, fc.constantFrom("iframe", "empty")),
    origin: headerText,
  },
  { requiredKeys: [] },
);

const method = fc.oneof(
  { weight: 6, arbitrary: fc.constant("GET") },
  { weight: 1, arbitrary: fc.constantFrom("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW") },
);

/** A problem of PROTOCOL.md's table, as JSON or as a document. */
function expectCoded(status: number, type: string | null, body: string): void {
  let json = body;
  if (type === "text/html; charset=utf-8") {
    const shown = /<pre>([^<>]*)<\/pre>/.exec(body)?.[1] ?? "";
    json = shown.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
  } else expect(type).toBe("application/problem+json");
  const problem = JSON.parse(json) as Problem;
  expect(codes[problem.code]).toBe(status);
  expectProblem(problem, status, problem.code);
}

test("answers any request to hub.connect with a stream or a coded problem", async () => {
  const { hub, errors } = notedHub(options);
  await fc.assert(
    fc.asyncProperty(method, query, headers, async (verb, text, some) => {
      const asked = request("", { method: verb, headers: some });
      const url = `/events?${text}`;
      const view = { method: verb, url, headers: asked.headers, signal: asked.signal } as unknown as Request;
      const response = await hub.fetch(view);
      if (response.status === 200) {
        wireOfResponse(response);
        await response.body?.cancel();
      } else if (verb !== "HEAD")
        expectCoded(response.status, response.headers.get("content-type"), await response.text());
      expect(hub.stats().connections).toBe(0);
    }),
    runs,
  );
  expect(errors).toEqual([]);
  await hub.topic("a").publish("still here");
  const follower = await followHub(hub, "topic=a&from=oldest");
  expect((await follower.has(1)).data).toEqual(["still here"]);
});

/** A request as it goes over the network: a path, headers, and perhaps some bytes of it changed. */
const rawRequest = fc
  .tuple(method, query, headers, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
  .map(([verb, text, some, changes]) => {
    const target = `/events?${text.replace(/[^!-~]/g, (c) => encodeURIComponent(c.toWellFormed()))}`;
    const lines = Object.entries(some).map(([name, value]) => `${name}: ${value}\r\n`);
    const bytes = Buffer.from(`${verb} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join("")}\r\n`);
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes;
  });

const randomBytes = fc.uint8Array({ maxLength: 200 });

test("answers any bytes on a socket with HTTP, and keeps the server running", async () => {
  // Streams end soon, so that no request lasts.
  const server = await serveHub({ ...options, maxConnectionAgeMs: 10 });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 5, arbitrary: rawRequest }, { weight: 1, arbitrary: randomBytes }),
      async (bytes) => {
        const answer = await exchange(server.port, bytes);
        if (answer === "") return;
        expect(answer).toMatch(/^HTTP\/1\.1 (?:200|204|400|404|405|406|408|431|501|505) /);
        const [head = "", ...body] = answer.split("\r\n\r\n");
        const type = /^content-type: (.*)$/im.exec(head)?.[1] ?? null;
        const status = Number(head.slice(9, 12));
        if (type === "application/problem+json" && body.join("") !== "")
          expectCoded(status, type, body.join("\r\n\r\n"));
      },
    ),
    { numRuns: 300 },
  );
  expect(server.errors).toEqual([]);
  expect(server.errors).toEqual([]);
  const follower = await server.follow("topic=a&wire=ndjson");
  await server.hub.topic("a").publish("still here");
  expect((await follower.has(1)).data).toEqual(["still here"]);
});
