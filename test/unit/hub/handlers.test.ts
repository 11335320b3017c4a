import { describe, expect, test } from "vitest";
import { nodeHandler, type NodeResponse } from "../../../src/adapters/node/index.ts";
import { fetchHandler, type HubRequest, type RequestOptions } from "../../../src/index.ts";
import { notedHub, problemOf, request } from "../../support/hub.ts";
import { RawRequest, serve } from "../../support/servers.ts";
import { expectCode, until } from "../../support/sources.ts";

/** The topics that a poll was opened with. */
async function topicsOf(response: Response): Promise<string[]> {
  const [first] = (await response.json()) as { open: { states: Record<string, string> } }[];
  return Object.keys(first?.open.states ?? {});
}

describe("hub.fetch", () => {
  test("is bound to its hub, and ignores further arguments of a platform", async () => {
    const { hub } = notedHub();
    const handler: { fetch(request: Request, ...platform: unknown[]): Promise<Response> } = { fetch: hub.fetch };
    const response = await handler.fetch(request("topic=a&wire=poll"), { topics: ["env"] }, { waitUntil: () => 0 });
    expect(await topicsOf(response)).toEqual(["a"]);
  });
});

describe("fetchHandler", () => {
  test("uses the same options for every request", async () => {
    const { hub } = notedHub();
    const handle = fetchHandler(hub, { topics: ["news"] });
    expect(await topicsOf(await handle(request("topic=a&wire=poll")))).toEqual(["news"]);
  });

  test("calls the function of options with the request and all further arguments", async () => {
    const { hub, opened } = notedHub();
    const handle = fetchHandler(hub, ({ url }, user: string, ...rest: number[]) => ({
      topics: [`user:${user}`, new URL(url).pathname, ...rest.map(String)],
      identity: user,
    }));
    expect(await topicsOf(await handle(request("wire=poll"), "ada", 1, 2))).toEqual(["1", "2", "user:ada", "/events"]);
    expect(opened.map(({ identity }) => identity)).toEqual(["ada"]);
  });

  test("awaits a promise of options before it calls authorize", async () => {
    const order: string[] = [];
    const { hub } = notedHub({ authorize: (_: HubRequest, topics) => order.push(...topics) > 0 });
    const options = async (): Promise<RequestOptions> => {
      await Promise.resolve();
      order.push("options");
      return { topics: ["promised"] };
    };
    expect(await topicsOf(await fetchHandler(hub, options)(request("wire=poll")))).toEqual(["promised"]);
    expect(order).toEqual(["options", "promised"]);
  });

  test("requests options once, also for a preflight and a rejected request", async () => {
    const { hub } = notedHub({ cors: { origins: ["https://example.com"] } });
    let calls = 0;
    const handle = fetchHandler(hub, () => ({ topics: [`call-${(calls += 1)}`] }));
    const preflight = request("", { method: "OPTIONS", headers: { origin: "https://example.com" } });
    expect((await handle(preflight)).status).toBe(204);
    await problemOf(await handle(request("", { method: "POST" })), 405, "ERR_METHOD");
    expect(calls).toBe(2);
  });
});

test("reports an invalid option as a document in a frame, and as a problem elsewhere", async () => {
  const { hub } = notedHub();
  const handle = fetchHandler(hub, { overflow: "drop" as "skip" });
  const framed = await handle(request("topic=a", { headers: { "sec-fetch-dest": "iframe" } }));
  expect(framed.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect([framed.status, await framed.text()]).toEqual([500, expect.stringContaining("ERR_HANDLER")]);
  expect((await handle(request("topic=a"))).headers.get("content-type")).toBe("application/problem+json");
});

describe("nodeHandler", () => {
  test("resolves once the stream has begun, and accepts options for each request", async () => {
    const { hub, opened } = notedHub();
    const handle = nodeHandler(hub, ({ url }) => ({ topics: [`from ${url ?? ""}`] }));
    const begun: number[] = [];
    const server = await serve((response) => {
      void handle(response.req, response).then(() => begun.push(opened.length));
    });
    RawRequest.get(server.port, "/one");
    await until(() => begun.length === 1);
    expect(opened.map(({ topics }) => topics)).toEqual([["from /one"]]);
  });

  test("releases the place if the client leaves before the options resolve", async () => {
    const { hub, opened } = notedHub({ maxConnections: 1 });
    let decide = (_: RequestOptions): void => undefined;
    let asked = 0;
    let done = 0;
    const handle = nodeHandler(hub, () => {
      asked += 1;
      return asked === 1 ? new Promise<RequestOptions>((resolve) => (decide = resolve)) : {};
    });
    const responses: NodeResponse[] = [];
    const server = await serve((response) => {
      responses.push(response);
      void handle(response.req, response).then(() => (done += 1));
    });
    const first = RawRequest.get(server.port, "/?topic=a");
    await until(() => asked === 1);
    first.socket.destroy();
    await until(() => responses[0]?.req.socket.destroyed === true);
    decide({});
    await until(() => done === 1);
    const response = await fetch(`${server.origin}/?topic=a&wire=poll`);
    expect(await topicsOf(response)).toEqual(["a"]);
    expect(opened.length).toBe(1);
    expect(hub.stats()).toMatchObject({ connections: 0, opened: 1, rejected: 0 });
  });

  test("reports a response whose connection accepts no head, and aborts it", async () => {
    const { hub, errors } = notedHub();
    const handle = nodeHandler(hub);
    const server = await serve((response) => {
      response.setHeader = () => {
        throw new Error("no head");
      };
      void handle(response.req, response);
    });
    await expect(fetch(`${server.origin}/?topic=a&wire=nonsense`)).rejects.toThrow();
    expect(errors).toEqual([new Error("no head")]);
  });

  test.each([
    [undefined, true],
    [true, true],
    [false, false],
  ])("with detach: %s detaches a stream from Node's parser: %s", async (detach, isDetached) => {
    const { hub, opened } = notedHub();
    const handle = nodeHandler(hub, detach === undefined ? {} : { detach });
    const sockets: { readonly parser?: unknown }[] = [];
    const server = await serve((response) => {
      if (response.socket !== null) sockets.push(response.socket as { readonly parser?: unknown });
      void handle(response.req, response);
    });
    const client = RawRequest.get(server.port, "/?topic=a&wire=ndjson");
    await until(() => opened.length === 1 && client.received.includes("open"));
    expect((sockets[0]?.parser ?? undefined) === undefined).toBe(isDetached);
  });
});

test("reserves places, and admits no more requests than there are until some are released", async () => {
  const { hub } = notedHub({ maxConnections: 2 });
  const decisions = Array.from({ length: 5 }, () =>
    Promise.resolve(hub._decide({ method: "GET", url: "/?topic=a", headers: { get: () => null } }, () => ({}))),
  );
  const settled = await Promise.all(decisions);
  const admitted = settled.filter((decision) => "open" in decision);
  expect(admitted.length).toBe(2);
  expect(hub.stats().connections).toBe(0);
  for (const admission of admitted) admission.release();
  await expectCode("ERR_OPTION", () => hub.close({ drainMs: -1 }));
  expect((await hub.fetch(request("topic=a&wire=poll"))).status).toBe(200);
});

test("ends a stream at once, with a retry hint, when it opens after the hub began to close", async () => {
  const { hub, reasons } = notedHub();
  const decision = await hub._decide({ method: "GET", url: "/?topic=a", headers: { get: () => null } }, () => ({}));
  if (!("open" in decision)) throw new Error(decision.body);
  const closing = hub.close({ drainMs: 0 });
  const written: string[] = [];
  const take = (bytes: Uint8Array): boolean => written.push(Buffer.from(bytes).toString()) > 0;
  const connection = decision.open({ isChunked: false, write: take, end: take, destroy: () => undefined });
  expect(reasons).toEqual(["drain"]);
  expect(written.join("")).toMatch(/"end":\{"reason":"drain",.*"retryMs":0\}/);
  connection.gone();
  await closing;
});
