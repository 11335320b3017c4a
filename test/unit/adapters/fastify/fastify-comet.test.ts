import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { fastifyComet, fastifyHandler, type FastifyCometOptions } from "../../../../src/adapters/fastify/index.ts";
import type { HubOptions } from "../../../../src/index.ts";
import { Follower, notedHub, problemOf } from "../../../support/hub.ts";
import { expectCode, until } from "../../../support/sources.ts";

/** A Fastify application with a hub at `/live`, until the test is over. */
async function start(options: Partial<FastifyCometOptions<FastifyRequest>> = {}, hubOptions: HubOptions = {}) {
  const noted = notedHub(hubOptions);
  const app: FastifyInstance = Fastify();
  onTestFinished(() => app.close());
  app.addHook("onRequest", (request, reply, next) => {
    reply
      .header("x-hook", "set")
      .header("set-cookie", ["a=1", "b=2"])
      .header("content-security-policy", "default-src 'none'");
    if (request.headers.authorization === "none") void reply.code(401).send();
    else next();
  });
  await app.register(fastifyComet, { hub: noted.hub, path: "/live", drainMs: 0, ...options });
  const listen = async (): Promise<string> => `${await app.listen({ port: 0, host: "127.0.0.1" })}/live?topic=a`;
  return { ...noted, app, listen };
}

describe("fastifyComet", () => {
  test("answers GET and HEAD with the headers that hooks have set, and the hub's own policy", async () => {
    const { hub, listen } = await start();
    const url = await listen();
    const follower = await Follower.fetch(`${url}&wire=comet`);
    await hub.topic("a").publish("kiki");
    expect((await follower.has(1)).data).toEqual(["kiki"]);
    const head = await fetch(url, { method: "HEAD" });
    for (const { headers } of [follower.response, head]) {
      expect(headers.get("x-hook")).toBe("set");
      expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'self'");
    }
    follower.leave();
    await until(() => hub.stats().connections === 0);
  });

  test("gives the preflight to the hub", async () => {
    const { listen } = await start({}, { cors: { origins: ["https://app.test"] } });
    const headers = { origin: "https://app.test", "access-control-request-method": "GET" };
    const response = await fetch(await listen(), { method: "OPTIONS", headers });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([204, "https://app.test"]);
  });

  test("gives the options the Fastify request, and runs the hooks of its scope first", async () => {
    const routes: (string | undefined)[] = [];
    const { hub, listen } = await start({
      options: async ({ routeOptions, query }) => {
        routes.push(routeOptions.url);
        return Promise.resolve({ topics: [String((query as Record<string, unknown>)["own"])] });
      },
    });
    const url = await listen();
    const follower = await (await Follower.fetch(`${url}&own=mine&wire=ndjson`)).begun();
    expect(follower.open.states).toEqual({ mine: "fresh" });
    expect((await fetch(url, { headers: { authorization: "none" } })).status).toBe(401);
    expect(routes).toEqual(["/live"]);
    expect(hub.stats().opened).toBe(1);
    follower.leave();
  });

  test("answers a poll, a refusal, and a stream that ends, to inject", async () => {
    const { hub, app, opened } = await start();
    await hub.topic("a").publish("kiki");
    const poll = await app.inject("/live?topic=a&from=oldest&wire=poll");
    expect(poll.json<unknown[]>()).toContainEqual(expect.objectContaining({ data: "kiki" }));
    expect(poll.headers["x-hook"]).toBe("set");
    const refusal = await app.inject("/live");
    await problemOf(
      new Response(refusal.body, {
        status: refusal.statusCode,
        headers: { ...refusal.headers } as Record<string, string>,
      }),
      400,
      "ERR_TOPIC",
    );
    const stream = app.inject("/live?topic=a&from=oldest&wire=ndjson").then(({ body }) => body);
    await until(() => opened.length === 2);
    opened[1]?.close("gone");
    expect(await stream).toMatch(/kiki[^]*"reason":"gone"/);
  });

  test("ends open streams with drain when the application closes, so that its hooks onClose run", async () => {
    const { app, listen, errors } = await start();
    let isClosed = false;
    app.addHook("onClose", (_, done) => {
      isClosed = true;
      done();
    });
    const follower = await (await Follower.fetch(`${await listen()}&wire=ndjson`)).begun();
    await app.close();
    expect((await follower.ended()).end).toMatchObject({ reason: "drain" });
    expect([isClosed, errors]).toEqual([true, []]);
  });

  test("reports an error of the options to onError, and answers 500", async () => {
    const failure = new Error("no session");
    const { listen, errors } = await start({ options: () => Promise.reject(failure) });
    expect((await fetch(await listen())).status).toBe(500);
    expect(errors).toEqual([failure]);
  });

  test("adds no route without a path", async () => {
    const { app } = await start({ path: undefined as never });
    expect((await app.inject("/live?topic=a")).statusCode).toBe(404);
  });

  test.each([
    ["hub", { hub: {} as never }],
    ["drainMs", { drainMs: -1 }],
  ])("refuses a bad %s", async (name, options) => {
    await expectCode("ERR_OPTION", () => start(options), new RegExp(name));
  });
});

describe("fastifyHandler", () => {
  test("serves a route of the application's own", async () => {
    const { hub, app } = await start();
    const options = {
      preHandler: (_: unknown, reply: { header(name: string, value: string): unknown }, next: () => void) => {
        reply.header("x-route", "own");
        next();
      },
    };
    app.get(
      "/own",
      options,
      fastifyHandler(hub, ({ id }: FastifyRequest) => ({ context: id, topics: ["own"] })),
    );
    const response = await app.inject("/own?wire=poll&from=oldest");
    expect([response.statusCode, response.headers["x-route"]]).toEqual([200, "own"]);
  });
});
