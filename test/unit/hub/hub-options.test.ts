import { describe, expect, test } from "vitest";
import { nodeHandler } from "../../../src/adapters/node/index.ts";
import { fetchHandler, Hub, type RequestOptions, type HubOptions, type PublishOptions } from "../../../src/index.ts";
import type { CometErrorCode } from "../../../src/index.ts";
import { followHub, notedHub, problemOf, request, serveHub } from "../../support/hub.ts";
import { serve } from "../../support/servers.ts";
import { expectCode } from "../../support/sources.ts";

const numbers: readonly (readonly [name: keyof HubOptions, min: number, max: number])[] = [
  ["authorizeTimeoutMs", 1, 2_147_483_647],
  ["heartbeatMs", 50, 2_147_483_647],
  ["retryMs", 0, 2_147_483_647],
  ["pollMs", 10, 2_147_483_647],
  ["maxConnectionAgeMs", 10, 2_147_483_647],
  ["maxConnectionBytes", 1024, Number.MAX_SAFE_INTEGER],
  ["maxCometBytes", 1024, Number.MAX_SAFE_INTEGER],
  ["stallMs", 10, 2_147_483_647],
  ["flushSliceMs", 1, 2_147_483_647],
  ["maxConnections", 1, Number.MAX_SAFE_INTEGER],
  ["maxConnectionsPerIdentity", 1, Number.MAX_SAFE_INTEGER],
  ["maxConnectionsPerAddress", 1, Number.MAX_SAFE_INTEGER],
  ["maxRequestsPerSecondPerAddress", 1, Number.MAX_SAFE_INTEGER],
  ["maxTopics", 1, Number.MAX_SAFE_INTEGER],
  ["maxTopicsPerConnection", 1, 1000],
  ["maxPositionLength", 64, Number.MAX_SAFE_INTEGER],
  ["maxMessageBytes", 1, Number.MAX_SAFE_INTEGER],
];

const create = (options: unknown) => (): Hub => new Hub(options as HubOptions);

describe("options of a hub", () => {
  test.each(numbers)("reject a %s that is not an integer from %i to %i", async (name, min, max) => {
    for (const value of [min, max]) expect(create({ [name]: value })).not.toThrow();
    for (const value of [min - 1, max + 1, min + 0.5, NaN, Infinity, -Infinity, "100", [], {}, true]) {
      if (name === "heartbeatMs" && value === 0) continue;
      await expectCode("ERR_OPTION", create({ [name]: value }), new RegExp(name));
    }
  });

  test.each(["maxEntries", "maxBytes", "maxAgeMs"])("reject an invalid log.%s", async (name) => {
    for (const value of [0, -1, 0.5, NaN, Infinity, "5"]) {
      await expectCode("ERR_OPTION", create({ log: { [name]: value } }), new RegExp(name));
    }
  });

  test("accept 0 as heartbeatMs, which disables it, and nothing between", async () => {
    expect(create({ heartbeatMs: 0 })).not.toThrow();
    for (const heartbeatMs of [1, 49, -0.5]) await expectCode("ERR_OPTION", create({ heartbeatMs }));
  });

  test.each<[keyof HubOptions, unknown[]]>([
    ["topics", ["news", ["news"], true, {}]],
    ["authorize", [true, "yes", {}]],
    ["onOpen", [1, {}]],
    ["onClose", ["x"]],
    ["onError", [{}]],
    ["overflow", ["drop", "", 1, true, ["skip"]]],
    ["compression", ["gzip", "", 1, null, {}, ["news"]]],
    ["callbacks", ["cometMessage", {}, 1]],
    [
      "cors",
      [
        { origins: "*" },
        { origins: ["*"] },
        { origins: ["https://example.com/"] },
        { origins: ["https://example.com/path"] },
        { origins: ["example.com"] },
        { origins: ["HTTPS://example.com"] },
        { origins: ["null"] },
        { origins: [1] },
        { origins: new Set(["https://example.com"]) },
        {},
        true,
      ],
    ],
  ])("reject an invalid %s", async (name, values) => {
    for (const value of values) await expectCode("ERR_OPTION", create({ [name]: value }));
  });

  test("reject callbacks that are no names of functions with ERR_CALLBACK", async () => {
    for (const callback of ["", "a b", "alert(1)", "return", 1, "é"]) {
      await expectCode("ERR_CALLBACK", create({ callbacks: ["cometMessage", callback] }));
    }
  });
});

describe("answers 500, and reports to the application, invalid RequestOptions:", () => {
  const bad: readonly (readonly [string, unknown, CometErrorCode])[] = [
    ["overflow", { overflow: "drop" }, "ERR_OPTION"],
    ["a nonce", { nonce: 'x" onload="' }, "ERR_NONCE"],
    ["an empty nonce", { nonce: "" }, "ERR_NONCE"],
    ["a header's name", { headers: { "a b": "x" } }, "ERR_RESPONSE"],
    ["a header's value", { headers: { a: "x\r\ny: z" } }, "ERR_RESPONSE"],
    ["a control character in a header", { headers: { a: "x\u007fy" } }, "ERR_RESPONSE"],
    ["a length", { headers: { "content-length": "5" } }, "ERR_RESPONSE"],
    ["topics that are no list", { topics: 5 }, "ERR_OPTION"],
    ["topics that are a string", { topics: "news" }, "ERR_OPTION"],
    ["a topic that is no string", { topics: [5] }, "ERR_OPTION"],
  ];

  test.each(bad)("%s", async (_, options, code) => {
    const noted = notedHub();
    const handle = fetchHandler(noted.hub, options as RequestOptions);
    await problemOf(await handle(request("topic=a&wire=comet")), 500, "ERR_HANDLER");
    await expectCode(code, () => Promise.reject(noted.errors[0]));
    expect(noted.hub.stats()).toMatchObject({ opened: 0, rejected: 1, topics: 0 });
  });

  test("any through the Node adapter, whose handler resolves", async () => {
    const server = await serveHub({}, "http", { overflow: "drop" as "skip" });
    await problemOf(await fetch(`${server.origin}/?topic=a`), 500, "ERR_HANDLER");
    await expectCode("ERR_OPTION", () => Promise.reject(server.errors[0]));
  });

  test.each([
    ["throws", () => JSON.parse("{") as RequestOptions],
    ["rejects", () => Promise.reject<RequestOptions>(new SyntaxError("no session"))],
  ])("a function of options that %s", async (_, options) => {
    const { hub, errors } = notedHub();
    await problemOf(await fetchHandler(hub, options)(request("topic=a")), 500, "ERR_HANDLER");
    const server = await serve((response) => void nodeHandler(hub, options)(response.req, response));
    await problemOf(await fetch(`${server.origin}/?topic=a`), 500, "ERR_HANDLER");
    const head = await fetch(`${server.origin}/?topic=a`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([500, ""]);
    expect(errors.map((error) => error instanceof SyntaxError)).toEqual([true, true, true]);
    expect(hub.stats()).toMatchObject({ opened: 0, rejected: 3 });
  });
});

describe("RequestOptions", () => {
  test("override the topics of the URL", async () => {
    const { hub, opened } = notedHub();
    for (const query of ["topic=a&topic=b", "", "topic=%00"])
      await followHub(hub, query, {}, { topics: ["mine", "own"] });
    expect(opened.map(({ topics }) => topics)).toEqual([
      ["mine", "own"],
      ["mine", "own"],
      ["mine", "own"],
    ]);
  });

  test("set the nonce of every script", async () => {
    const { hub } = notedHub();
    await hub.topic("a").publish("x");
    for (const mode of ["plain", "managed"]) {
      const query = `topic=a&wire=comet&from=oldest&mode=${mode}`;
      const follower = await (await followHub(hub, query, {}, { nonce: "dGVzdA==" })).has(1);
      expect(follower.text.match(/<script(?! nonce="dGVzdA==">)/g)).toBeNull();
      expect(follower.text).toContain('<script nonce="dGVzdA==">');
      expect(follower.text).toContain("parent.cometMessage(");
    }
  });
});

describe("publish", () => {
  const cases: readonly (readonly [string, unknown, PublishOptions, CometErrorCode])[] = [
    ["a message of 101 bytes", "x".repeat(99), {}, "ERR_MESSAGE"],
    ["one whose characters have several bytes", "é".repeat(50), {}, "ERR_MESSAGE"],
    ["an object that is too large", { a: Array.from({ length: 60 }, () => 1) }, {}, "ERR_MESSAGE"],
    ...["event", "key", "messageId"].flatMap((field) =>
      ["", "a\rb", "a\nb", "a\0b", "\ud800", "x\udc00", "x".repeat(201), 5, null].map(
        (value) => [`${field} ${JSON.stringify(value).slice(0, 20)}`, "x", { [field]: value }, "ERR_MESSAGE"] as const,
      ),
    ),
    ["event comet:open", "x", { event: "comet:open" }, "ERR_MESSAGE"],
    ["event comet:anything", "x", { event: "comet:" }, "ERR_MESSAGE"],
    ...["open", "error", "close", "gap", "ended", "missing"].map(
      (event) => [`event ${event}`, "x", { event }, "ERR_MESSAGE"] as const,
    ),
    ["undefined", undefined, {}, "ERR_ENCODER"],
    ["NaN", NaN, {}, "ERR_ENCODER"],
    ["a bigint", 1n, {}, "ERR_ENCODER"],
    ["a date", new Date(), {}, "ERR_ENCODER"],
    ["a map", new Map(), {}, "ERR_ENCODER"],
    ["a function", () => 1, {}, "ERR_ENCODER"],
    ["undefined in a list", [undefined], {}, "ERR_ENCODER"],
  ];

  test.each(cases)("throws at once, without an effect, for %s", async (_, data, options, code) => {
    const { hub } = notedHub({ maxMessageBytes: 100 });
    const follower = await (await followHub(hub, "topic=a&wire=ndjson")).begun();
    const before = hub.stats();
    const topic = hub.topic<string>("a");
    let thrown: unknown;
    try {
      void topic.publish(data as string, options);
    } catch (error) {
      thrown = error;
    }
    await expectCode(code, () => Promise.reject(thrown));
    expect(hub.stats()).toEqual(before);
    await topic.publish("next");
    expect((await follower.has(1)).data).toEqual(["next"]);
  });

  test("throws for an invalid or unknown topic", async () => {
    const { hub } = notedHub({ topics: (name) => name === "news" });
    for (const name of ["", "a\n", "\ud800", "x".repeat(201), 5])
      await expectCode("ERR_TOPIC", () => hub.topic(name as ""));
    await expectCode("ERR_TOPIC_UNKNOWN", () => hub.topic("other"));
    expect(hub.stats().topics).toBe(0);
  });

  test("accepts messages up to the bounds", async () => {
    const { hub } = notedHub({ maxMessageBytes: 100 });
    const full = "x".repeat(200);
    const options = { event: full, key: full, messageId: full };
    const follower = await followHub(hub, "topic=a&wire=ndjson");
    // A character that is escaped for scripts counts as one character.
    for (const message of ["x".repeat(98), "é".repeat(49), "<".repeat(98)])
      await hub.topic("a").publish(message, { ...options, messageId: message });
    await follower.has(3);
    expect(follower.data).toEqual(["x".repeat(98), "é".repeat(49), "<".repeat(98)]);
    await hub.topic("a").publish(1, { event: "comet" });
    await hub.topic("a").publish(1, { event: "Comet:open", key: "comet:open" });
    for (const event of ["message", "Error", "opened", "app-close"])
      await hub.topic("a").publish(1, { event, key: "error" });
  });
});
