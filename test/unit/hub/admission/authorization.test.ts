import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { CometSource, ndjson } from "../../../../src/client/index.ts";
import { fetchHandler, type Authorization, type HubOptions, type Subscription } from "../../../../src/index.ts";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import { expectOnlyRefused, followHub, notedHub, problemOf, request, serveHub, wires } from "../../../support/hub.ts";
import { expectCode, until } from "../../../support/sources.ts";

afterEach(() => void vi.useRealTimers());

const answering = (answer: unknown): HubOptions => ({ authorize: () => answer as Authorization });

describe("authorize may allow with", () => {
  test("an identity, which takes precedence over the handler's", async () => {
    for (const answer of [{ identity: "ada" }, Promise.resolve({ identity: "ada" })]) {
      const { hub, opened } = notedHub(answering(answer));
      await followHub(hub, "topic=a&wire=ndjson", {}, { identity: "bob" });
      expect(opened.map(({ identity }) => identity)).toEqual(["ada"]);
      expect((await hub.topic("a").presence()).identities).toEqual(new Map([["ada", 1]]));
    }
  });

  test.each([{}, { identity: undefined }, Object.create(null) as object])(
    "the object %j, which changes nothing",
    async (answer) => {
      const { hub, opened, errors } = notedHub(answering(answer));
      const follower = await followHub(hub, "topic=a&topic=b&wire=ndjson", {}, { identity: "bob" });
      await follower.begun();
      expect(follower.open).not.toHaveProperty("removed");
      expect(opened).toMatchObject([{ identity: "bob", topics: ["a", "b"], expiresAt: null }]);
      expect(errors).toEqual([]);
    },
  );

  test.each([...wires.map((wire) => [wire, "plain"]), ["sse", "managed"], ["comet", "managed"]])(
    "fewer topics, and %s (%s) opens with the removed ones",
    async (wire, mode) => {
      const { hub, opened } = notedHub(answering({ topics: ["c", "a"] }));
      const query = `topic=a&topic=b&topic=c&topic=d&from=oldest&wire=${wire}&mode=${mode}&wait=0`;
      for (const topic of ["a", "b", "c", "d"]) await hub.topic(topic).publish(topic);
      const follower = await (await followHub(hub, query)).has(2);
      expect(follower.open).toMatchObject({ removed: ["b", "d"], states: { a: "fresh", c: "fresh" } });
      expect(follower.open.position).toMatch(/^a=\w+\.0,c=\w+\.0$/);
      expect(follower.data).toEqual(["a", "c"]);
      expect(opened[0]?.topics).toEqual(["a", "c"]);
    },
  );

  test("all of the topics that were asked for, and nothing is removed", async () => {
    const { hub } = notedHub(answering({ topics: ["b", "a", "b"] }));
    const follower = await (await followHub(hub, "topic=a&topic=b&wire=ndjson")).begun();
    expect(follower.open).not.toHaveProperty("removed");
    expect(follower.open.states).toEqual({ a: "fresh", b: "fresh" });
  });

  test("no topic, and the client gets 403", async () => {
    const { hub, errors } = notedHub(answering({ topics: [] }));
    await problemOf(await hub.fetch(request("topic=a")), 403, "ERR_FORBIDDEN");
    expect(errors).toEqual([]);
  });
});

describe("authorize may refuse with an object of", () => {
  test.each([
    [401, "ERR_UNAUTHORIZED"],
    [403, "ERR_FORBIDDEN"],
    [404, "ERR_TOPIC_UNKNOWN"],
    [429, "ERR_RATE"],
  ])("status %i, and the time to retry", async (status, code) => {
    const { hub, errors } = notedHub(answering({ status, retryAfterMs: 1500 }));
    const before = hub.stats();
    const response = await hub.fetch(request("topic=a"));
    expect([response.status, response.headers.get("retry-after")]).toEqual([status, "2"]);
    expect(await response.json()).toMatchObject({ status, code, retryMs: 2000 });
    expectOnlyRefused({ hub } as never, before);
    expect(errors).toEqual([]);
  });

  test("status 429 without a time, and the client gets one", async () => {
    const { hub } = notedHub(answering({ status: 429 }));
    const response = await hub.fetch(request("topic=a"));
    expect(response.headers.get("retry-after")).toBe("5");
    await problemOf(response, 429, "ERR_RATE");
  });

  test("status 403 without a time, and the client gets none", async () => {
    const { hub } = notedHub(answering({ status: 403 }));
    const response = await hub.fetch(request("topic=a"));
    expect(response.headers.has("retry-after")).toBe(false);
    await problemOf(response, 403, "ERR_FORBIDDEN");
  });
});

describe("a malformed answer of authorize is an error of the server:", () => {
  class User {
    readonly identity = "ada";
  }

  test.each<[string, unknown]>([
    ["a list", []],
    ["a list of topics", ["a"]],
    ["a date", new Date()],
    ["an error", new Error("not allowed")],
    ["a map", new Map([["identity", "ada"]])],
    ["a function", () => true],
    ["an instance of a class", new User()],
    ["a misspelt member", { expireAt: 1 }],
    ["an allowing and a refusing member", { status: 403, identity: "ada" }],
    ["a retry delay alone", { retryAfterMs: 1000 }],
    ["an inherited status", Object.create({ status: 401 }) as object],
    ["a status of undefined", { status: undefined }],
    ["a status that is true", { status: true }],
    ["another status", { status: 200 }],
    ["a status that is text", { status: "403" }],
    ["a negative retry delay", { status: 429, retryAfterMs: -1 }],
    ["a retry delay in text", { status: 429, retryAfterMs: "5" }],
    ["an endless retry delay", { status: 429, retryAfterMs: Infinity }],
    ["an empty identity", { identity: "" }],
    ["an identity of null", { identity: null }],
    ["an identity with a line end", { identity: "a\nb" }],
    ["a topic that was not asked for", { topics: ["a", "secret"] }],
    ["a topic that is not a name", { topics: [1] }],
    ["topics that are text", { topics: "a" }],
    ["topics that are undefined", { topics: undefined }],
    ["an expiry that is undefined", { expiresAt: undefined }],
    ["an expiry that is no whole number", { expiresAt: Date.now() + 1000.5 }],
    ["an expiry that is a date", { expiresAt: new Date(Date.now() + 60_000) }],
    ["an expiry that is NaN", { expiresAt: NaN }],
    ["an expiry that is endless", { expiresAt: Infinity }],
    ["an expiry of null", { expiresAt: null }],
    ["an expiry before 1970", { expiresAt: -1 }],
    ["an expiry that no date can have", { expiresAt: 8.64e15 + 1 }],
  ])("%s", async (_, answer) => {
    for (const given of [answer, Promise.resolve(answer)]) {
      const { hub, errors, opened } = notedHub(answering(given));
      await problemOf(await hub.fetch(request("topic=a")), 500, "ERR_AUTHORIZE");
      await expectCode("ERR_OPTION", () => Promise.reject(errors[0]), /authorize|identity|expiresAt|retryAfterMs/);
      expect(errors).toHaveLength(1);
      expect(opened).toEqual([]);
    }
  });
});

describe("the order of authorize and the hub's topics:", () => {
  const names = (name: string): boolean => name === "public";

  test.each([401, 403, 404, 429] as const)("a refusal with %i does not show whether a topic exists", async (status) => {
    const asked: string[] = [];
    const topics = (name: string): boolean => asked.push(name) > 0 && names(name);
    const { hub } = notedHub({ topics, authorize: () => status });
    const [known, unknown] = await Promise.all(
      ["public", "secret"].map(async (topic) => {
        const response = await hub.fetch(request(`topic=${topic}`));
        return { status: response.status, headers: [...response.headers], body: await response.text() };
      }),
    );
    expect(known).toEqual(unknown);
    expect(asked).toEqual([]);
  });

  test("a topic that authorize hides with 404 looks as one that does not exist", async () => {
    const { hub } = notedHub({ topics: names, authorize: (_, [topic]) => (topic === "public" ? 404 : true) });
    const [hidden, missing] = await Promise.all(
      ["public", "secret"].map(async (topic) => {
        const response = await hub.fetch(request(`topic=${topic}`));
        return { status: response.status, headers: [...response.headers], body: await response.text() };
      }),
    );
    expect(hidden).toEqual(missing);
    expect(hidden?.status).toBe(404);
  });

  test("a client that is allowed gets 404 for a name that is no topic, but not for one that was removed", async () => {
    const { hub } = notedHub({ topics: names, authorize: (_, topics) => ({ topics: topics.slice(0, 1) }) });
    expect((await hub.fetch(request("topic=public&topic=secret"))).status).toBe(200);
    await problemOf(await hub.fetch(request("topic=secret&topic=public")), 404, "ERR_TOPIC_UNKNOWN");
  });
});

describe("the context of a request", () => {
  test("reaches authorize, onOpen, onClose and the subscription as it is", async () => {
    const context = { user: "ada" };
    const seen: unknown[] = [];
    const noted = notedHub({
      authorize: (_request, _topics, given) => seen.push(given) > 0,
      onOpen: (subscription) => seen.push(subscription.context),
      onClose: (subscription) => seen.push(subscription.context),
    });
    const follower = await (await followHub(noted.hub, "topic=a&wire=ndjson", {}, { context })).begun();
    for (const subscription of noted.hub.subscriptions()) seen.push(subscription.context);
    follower.leave();
    await until(() => noted.closed.length === 1);
    expect(seen).toHaveLength(4);
    for (const one of seen) expect(one).toBe(context);
  });

  test("comes from the handler's function with nodeHandler, also where middleware has set headers", async () => {
    const seen: unknown[] = [];
    const options: HubOptions = { authorize: (_request, _topics, context) => seen.push(context) > 0 };
    const server = await serveHub(options, "http", { context: 7, headers: { "x-a": "b" } });
    await (await server.follow("topic=a&wire=ndjson")).begun();
    expect(seen).toEqual([7]);
  });

  test("is undefined where the handler gives none", async () => {
    const { hub, opened } = notedHub({ authorize: (_request, _topics, context) => context === undefined });
    expect((await fetchHandler(hub)(request("topic=a"))).status).toBe(200);
    expect(opened[0]?.context).toBeUndefined();
  });
});

describe("a permission that ends", () => {
  /** A hub whose clocks the test moves. */
  function atExpiry(options: HubOptions = {}): ReturnType<typeof notedHub> {
    vi.useFakeTimers({ toFake: ["performance", "Date", "setInterval", "clearInterval"] });
    return notedHub(options);
  }
  const inSeconds = (seconds: number): number => Date.now() + seconds * 1000;

  test.each(wires)("ends the stream on %s as unauthorized, and the client may reconnect without loss", async (wire) => {
    const { hub, reasons } = atExpiry({ authorize: () => ({ expiresAt: inSeconds(10) }) });
    const position = await hub.topic("a").publish(1);
    const query = `topic=a&wire=${wire}&lastEventId=${position}`;
    const following = followHub(hub, query);
    await until(() => hub.stats().connections === 1);
    vi.advanceTimersByTime(9000);
    expect(reasons).toEqual([]);
    vi.advanceTimersByTime(2000);
    expect(reasons).toEqual(["unauthorized"]);
    const follower = await (await following).ended();
    expect(follower.end).toEqual({ type: "end", reason: "unauthorized", position, retryMs: 0 });
    await hub.topic("a").publish(2);
    const next = await (await followHub(hub, `topic=a&wire=${wire}&lastEventId=${follower.end.position}`)).has(1);
    expect(next.open.states).toEqual({ a: "recovered" });
    expect(next.data.map(Number)).toEqual([2]);
  });

  test("ends a plain stream of an EventSource with retry: 0, and a revoked one without", async () => {
    const { hub, opened } = atExpiry({ authorize: () => ({ expiresAt: inSeconds(10) }) });
    const expired = await (await followHub(hub, "topic=a&wire=sse")).begun();
    vi.advanceTimersByTime(11_000);
    await expired.ended();
    expect(expired.text).toMatch(/event: comet:end\nid: a=\w+\.0\nretry: 0\n/);
    const revoked = await (await followHub(hub, "topic=a&wire=sse")).begun();
    opened[1]?.close("unauthorized");
    await revoked.ended();
    expect(revoked.end).toMatchObject({ reason: "unauthorized", retryMs: null });
    expect(revoked.text).not.toMatch(/event: comet:end\nid: a=\w+\.0\nretry/);
  });

  test.each([0, Date.now() - 1, () => Date.now()])("is refused with 401 once it has passed (%s)", async (time) => {
    const { hub, opened, errors } = notedHub({
      authorize: () => ({ expiresAt: typeof time === "function" ? time() : time }),
    });
    await problemOf(await hub.fetch(request("topic=a")), 401, "ERR_UNAUTHORIZED");
    expect([opened, errors]).toEqual([[], []]);
  });

  test("is refused with 401 if it ends while the broker is asked for the topic", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const broker = new FaultyBroker(new MemoryBrokers().join());
    let answer = (): void => undefined;
    broker.gate = new Promise<void>((resolve) => (answer = resolve));
    const noted = notedHub({ broker, authorize: () => ({ expiresAt: inSeconds(10) }) });
    const response = noted.hub.fetch(request("topic=a"));
    await until(() => broker.reads > 0);
    vi.setSystemTime(inSeconds(10));
    answer();
    await problemOf(await response, 401, "ERR_UNAUTHORIZED");
    expect([noted.opened, noted.errors]).toEqual([[], []]);
  });

  test("is renewed by our client without loss or a word, and a revoked one closes it", async () => {
    let credentials = 0;
    const server = await serveHub({
      // The sweep's period is a tenth of the shortest of the hub's times.
      pollMs: 50,
      authorize: () => ((credentials += 1) < 4 ? { expiresAt: Date.now() + 30 } : true),
    });
    const source = new CometSource(`${server.origin}/?topic=a`, { wires: [ndjson] });
    onTestFinished(() => source.close());
    const received: unknown[] = [];
    const events: string[] = [];
    source.onmessage = ({ data }) => received.push(data);
    for (const type of ["gap", "error", "close"]) source.addEventListener(type, () => events.push(type));
    let published = 0;
    while (credentials < 4) {
      await until(() => server.opened.length > 0);
      await server.hub.topic("a").publish((published += 1));
      await until(() => received.length === published);
    }
    expect(received).toEqual(Array.from({ length: published }, (_, i) => i + 1));
    expect(server.reasons).toEqual(["unauthorized", "unauthorized", "unauthorized"]);
    expect(events).toEqual([]);
    await until(() => server.opened.length === 4);
    server.opened[3]?.close("unauthorized");
    await until(() => events.length > 0);
    expect([events, source.readyState]).toEqual([["close"], CometSource.CLOSED]);
  });

  test("follows the clock of the wall when that is set", async () => {
    const { hub, reasons } = atExpiry({ authorize: () => ({ expiresAt: inSeconds(3600) }) });
    await (await followHub(hub, "topic=a&wire=ndjson")).begun();
    vi.setSystemTime(Date.now() + 7_200_000);
    vi.advanceTimersByTime(1000);
    expect(reasons).toEqual(["unauthorized"]);
  });

  describe("is changed by subscription.update", () => {
    async function subscribed(expiresAt?: number): Promise<ReturnType<typeof notedHub> & { one: Subscription }> {
      const noted = atExpiry({ authorize: () => (expiresAt === undefined ? true : { expiresAt }) });
      await (await followHub(noted.hub, "topic=a&wire=ndjson")).begun();
      return { ...noted, one: noted.opened[0] ?? expect.fail("a subscription") };
    }

    test("to a later time", async () => {
      const { one, reasons } = await subscribed(inSeconds(10));
      const expiresAt = inSeconds(30);
      one.update({ expiresAt });
      expect(one.expiresAt).toBe(expiresAt);
      vi.advanceTimersByTime(29_000);
      expect(reasons).toEqual([]);
      vi.advanceTimersByTime(2000);
      expect(reasons).toEqual(["unauthorized"]);
    });

    test("from none to one", async () => {
      const { one, reasons } = await subscribed();
      one.update({ expiresAt: inSeconds(10) });
      vi.advanceTimersByTime(11_000);
      expect(reasons).toEqual(["unauthorized"]);
    });

    test("to none", async () => {
      const { one, reasons } = await subscribed(inSeconds(10));
      one.update({ expiresAt: null });
      vi.advanceTimersByTime(60_000);
      expect([reasons, one.expiresAt]).toEqual([[], null]);
    });

    test("to a time that has passed, which ends the stream at once", async () => {
      const { one, reasons } = await subscribed();
      one.update({ expiresAt: Date.now() });
      expect(reasons).toEqual(["unauthorized"]);
      one.update({ expiresAt: 0 });
      one.update({ expiresAt: null });
      expect(reasons).toEqual(["unauthorized"]);
    });

    test("and not by a bad one, which throws ERR_OPTION", async () => {
      const { one } = await subscribed(inSeconds(10));
      const before = one.expiresAt;
      for (const expiresAt of [undefined, "10", NaN, Infinity, 0.5, -1, 8.64e15 + 1, new Date()]) {
        await expectCode("ERR_OPTION", () => one.update({ expiresAt: expiresAt as number }), /expiresAt/);
      }
      await expectCode("ERR_OPTION", () => one.update({ expireAt: 1 } as never), /expiresAt/);
      expect(one.expiresAt).toBe(before);
    });
  });
});
