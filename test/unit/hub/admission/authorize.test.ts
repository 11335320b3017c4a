import { describe, expect, test } from "vitest";
import type { Authorization, HubOptions, HubRequest, RequestOptions } from "../../../../src/index.ts";
import { CometError, fetchHandler } from "../../../../src/index.ts";
import { expectOnlyRefused, followHub, notedHub, problemOf, request, serveHub } from "../../../support/hub.ts";
import { turns, until } from "../../../support/sources.ts";

const never = new Promise<never>(() => undefined);

/** A hub whose `authorize` returns this answer for the topic "door", and accepts every other topic. */
const guarded = (answer: () => unknown, options: HubOptions = {}): HubOptions => ({
  ...options,
  authorize: (_, topics) => (topics.includes("door") ? (answer() as Authorization) : true),
});

describe("authorize rejects a request, with no effect on others, when it answers with", () => {
  test.each<[what: string, answer: () => unknown, status: number, code: string, errors: number]>([
    ["false", () => false, 403, "ERR_FORBIDDEN", 0],
    ["a promise of false", () => Promise.resolve(false), 403, "ERR_FORBIDDEN", 0],
    ["401", () => 401, 401, "ERR_UNAUTHORIZED", 0],
    ["403", () => Promise.resolve(403), 403, "ERR_FORBIDDEN", 0],
    ["404", () => 404, 404, "ERR_TOPIC_UNKNOWN", 0],
    ["429", () => 429, 429, "ERR_RATE", 0],
    ["nothing", () => undefined, 500, "ERR_AUTHORIZE", 1],
    ["a promise of nothing", () => Promise.resolve(), 500, "ERR_AUTHORIZE", 1],
    ["null", () => null, 500, "ERR_AUTHORIZE", 1],
    ["something that is true to JavaScript", () => "yes", 500, "ERR_AUTHORIZE", 1],
    ["an object", () => ({ user: 1 }), 500, "ERR_AUTHORIZE", 1],
    ["200", () => 200, 500, "ERR_AUTHORIZE", 1],
    ["a promise of 1", () => Promise.resolve(1), 500, "ERR_AUTHORIZE", 1],
    ["a rejection", () => Promise.reject(new Error("the database password is hunter2")), 500, "ERR_AUTHORIZE", 1],
    ["a rejection with nothing", () => Promise.reject(), 500, "ERR_AUTHORIZE", 1],
    ["a promise that never settles", () => never, 503, "ERR_AUTHORIZE", 1],
  ])("%s", async (_, answer, status, code, errors) => {
    const server = await serveHub(guarded(answer, { authorizeTimeoutMs: 20 }));
    const bystander = await (await server.follow("topic=news")).begun();
    const before = server.hub.stats();
    const response = await fetch(`${server.origin}/?topic=news&topic=door`);
    expect(response.headers.has("retry-after")).toBe(status === 503 || status === 429);
    const { detail } = await problemOf(response, status, code);
    expect(detail).not.toContain("hunter2");
    expect(server.errors).toHaveLength(errors);
    expectOnlyRefused(server, before);
    await server.hub.topic("news").publish("still here");
    expect((await bystander.has(1)).data).toEqual(["still here"]);
  });

  test("an exception, which it passes to onError unchanged", async () => {
    const error = new Error("the database password is hunter2");
    const server = await serveHub({
      authorize: () => {
        throw error;
      },
    });
    const { detail } = await problemOf(await fetch(`${server.origin}/?topic=news`), 500, "ERR_AUTHORIZE");
    expect(detail).not.toContain("hunter2");
    expect(server.errors).toEqual([error]);
  });

  test("a CometError of the application, which it does not mistake for one of the hub", async () => {
    const { hub, errors } = notedHub({ authorize: () => Promise.reject(new CometError("ERR_TIMEOUT", "Mine.")) });
    await problemOf(await hub.fetch(request("topic=a")), 500, "ERR_AUTHORIZE");
    expect(errors).toHaveLength(1);
  });

  test("an answer after the timeout, which it then ignores", async () => {
    let allow = (_: boolean): void => undefined;
    const noted = notedHub({ authorizeTimeoutMs: 10, authorize: () => new Promise<boolean>((r) => (allow = r)) });
    await problemOf(await noted.hub.fetch(request("topic=a")), 503, "ERR_AUTHORIZE");
    const before = noted.hub.stats();
    allow(true);
    await turns();
    expect(noted.hub.stats()).toEqual(before);
    expect(noted.opened).toEqual([]);
  });
});

test("passes the request and the deduplicated topics to authorize", async () => {
  const asked: [HubRequest, readonly string[]][] = [];
  const server = await serveHub({
    authorize: (hubRequest, topics) => {
      asked.push([hubRequest, topics]);
      return Promise.resolve(true);
    },
  });
  const follower = await server.follow("topic=a&topic=b&topic=a&token=1", { headers: { Authorization: "Bearer x" } });
  await follower.begun();
  expect(asked).toHaveLength(1);
  const [seen, topics] = asked[0] as [HubRequest, readonly string[]];
  expect(topics).toEqual(["a", "b"]);
  expect(seen.method).toBe("GET");
  expect(seen.url).toBe("/?topic=a&topic=b&topic=a&token=1");
  expect(seen.headers.get("AUTHORIZATION")).toBe("Bearer x");
  expect(seen.headers.get("cookie")).toBeNull();
  for (const name of ["constructor", "__proto__", "toString"]) expect(seen.headers.get(name)).toBeNull();
});

test("gives authorize a list of its own, which it may empty", async () => {
  const { hub, opened } = notedHub({ authorize: (_, topics) => (topics as string[]).splice(0).length === 2 });
  expect((await hub.fetch(request("topic=b&topic=a"))).status).toBe(200);
  expect(opened.map(({ topics }) => topics)).toEqual([["b", "a"]]);
});

/** Objects with a method `then` that are no good promises. */
type Then = (resolve: (value: unknown) => void) => void;
const thenables: readonly (readonly [string, (value: unknown) => { then: Then }])[] = [
  ["returns nothing", (value) => ({ then: (resolve) => queueMicrotask(() => resolve(value)) })],
  [
    "calls back twice",
    (value) => ({
      then: (resolve) => {
        resolve(value);
        resolve(value);
      },
    }),
  ],
];

test.each(thenables)("takes one answer, and one place, for a thenable that %s", async (_, thenable) => {
  const { hub, errors } = notedHub({
    maxConnections: 2,
    authorize: () => thenable(true) as unknown as PromiseLike<boolean>,
  });
  const live = fetchHandler(hub, () => thenable({}) as unknown as PromiseLike<RequestOptions>);
  expect((await live(request("topic=a&wire=ndjson"))).status).toBe(200);
  expect((await live(request("topic=a&wire=ndjson"))).status).toBe(200);
  expect((await live(request("topic=a&wire=ndjson"))).status).toBe(503);
  expect(hub.stats().connections).toBe(2);
  expect(errors).toEqual([]);
});

test("does not call authorize for a request that is invalid anyway", async () => {
  let asked = 0;
  const { hub } = notedHub({
    authorize: () => {
      asked += 1;
      return true;
    },
  });
  for (const query of ["", "topic=a&wire=x", "topic=a&lastEventId=x", "topic=a&wire=comet&callback=eval"]) {
    expect((await hub.fetch(request(query))).ok).toBe(false);
  }
  expect((await hub.fetch(request("topic=a", { method: "POST" }))).status).toBe(405);
  expect(asked).toBe(0);
});

test("sends no byte before authorize has answered", async () => {
  let allow = (_: boolean): void => undefined;
  let answered = false;
  const { hub } = notedHub({ authorize: () => new Promise<boolean>((resolve) => (allow = resolve)) });
  const response = hub.fetch(request("topic=a&wire=ndjson"));
  void response.then(() => (answered = true));
  await hub.topic("a").publish("before");
  expect(answered).toBe(false);
  expect(hub.stats().connections).toBe(0);
  allow(true);
  await response;
  expect(hub.stats().connections).toBe(1);
});

describe("the application's topics function", () => {
  const oops = new Error("oops");
  const broken: readonly (readonly [string, () => boolean])[] = [
    [
      "throws",
      () => {
        throw oops;
      },
    ],
    ["gives options that are wrong", () => ({ log: { maxEntries: 0 } }) as unknown as boolean],
    ["gives nothing", () => undefined as unknown as boolean],
  ];

  test.each(broken)("answers with an error of the server, not of the client, if it %s", async (_, topics) => {
    const server = await serveHub({ topics });
    const response = await fetch(`${server.origin}/?topic=a`);
    expect(response.status).toBe(500);
  });
});

describe("the limit of connections", () => {
  test("rejects one more with Retry-After, and accepts it after another has left", async () => {
    const server = await serveHub({ maxConnections: 2 });
    const first = await server.follow("topic=a");
    await server.follow("topic=b");
    const before = server.hub.stats();
    const response = await fetch(`${server.origin}/?topic=c`);
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    await problemOf(response, 503, "ERR_LIMIT");
    expectOnlyRefused(server, before);
    first.leave();
    await until(() => server.hub.stats().connections === 1);
    expect((await server.follow("topic=c")).response.status).toBe(200);
  });

  test("holds for requests that arrive at the same moment", async () => {
    const { hub } = notedHub({ maxConnections: 2 });
    const responses = await Promise.all([1, 2, 3, 4].map(() => hub.fetch(request("topic=a"))));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 200, 503, 503]);
    expect(hub.stats().connections).toBe(2);
  });

  test("holds for requests that waited for authorize at the same time", async () => {
    const { hub } = notedHub({ maxConnections: 1, authorize: () => turns().then(() => true) });
    const responses = await Promise.all([1, 2, 3].map(() => hub.fetch(request("topic=a"))));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 503, 503]);
  });
});

describe("the limit of topics", () => {
  test("rejects a request for one more with Retry-After while all have subscribers", async () => {
    const noted = notedHub({ maxAskedTopics: 1 });
    const follower = await followHub(noted.hub, "topic=a");
    const before = noted.hub.stats();
    const response = await noted.hub.fetch(request("topic=b"));
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    await problemOf(response, 503, "ERR_LIMIT");
    expectOnlyRefused(noted, before);
    follower.leave();
    expect((await noted.hub.fetch(request("topic=b"))).status).toBe(200);
  });

  test("holds for requests that arrive at the same moment", async () => {
    const { hub } = notedHub({ maxAskedTopics: 1 });
    const answers = await Promise.all(["a", "b"].map((topic) => hub.fetch(request(`topic=${topic}`))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503]);
  });

  test("holds within one request", async () => {
    const { hub } = notedHub({ maxAskedTopics: 2 });
    const response = await hub.fetch(request("topic=a&topic=b&topic=c"));
    await problemOf(response, 503, "ERR_LIMIT");
    expect(hub.stats().topics).toBeLessThanOrEqual(2);
  });

  test("evicts no topic of the request itself when it is reached", async () => {
    const { hub } = notedHub({ maxTopics: 2 });
    await hub.topic("a").publish("kept");
    await hub.topic("x").publish("nobody asks for it");
    const follower = await (await followHub(hub, "topic=a&topic=b&from=oldest&wire=ndjson")).has(1);
    await hub.topic("b").publish("new");
    expect((await follower.has(2)).data).toEqual(["kept", "new"]);
  });
});
