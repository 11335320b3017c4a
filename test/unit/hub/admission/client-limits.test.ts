import { afterEach, describe, expect, test, vi } from "vitest";
import { Capacity } from "../../../../src/hub/capacity.ts";
import { fetchHandler, type HubOptions, type RequestOptions } from "../../../../src/index.ts";
import { expectOnlyRefused, followHub, notedHub, problemOf, request, type NotedHub } from "../../../support/hub.ts";
import { expectCode, until } from "../../../support/sources.ts";

afterEach(() => void vi.useRealTimers());

/** The status of the answer to a client with these options and headers. A stream stays open. */
async function statusOf(
  { hub }: NotedHub,
  options: RequestOptions,
  headers: Record<string, string> = {},
  query = "topic=a&wire=ndjson",
): Promise<number> {
  const response = await fetchHandler(hub, options)(request(query, { headers }));
  if (response.status === 429) {
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    await problemOf(response, 429, "ERR_RATE");
  }
  return response.status;
}

describe("maxConnectionsPerIdentity", () => {
  test("rejects one more connection of an identity with 429, and no other identity", async () => {
    const noted = notedHub({ maxConnectionsPerIdentity: 2 });
    const first = await followHub(noted.hub, "topic=a&wire=ndjson", {}, { identity: "ada" });
    expect(await statusOf(noted, { identity: "ada" })).toBe(200);
    const before = noted.hub.stats();
    expect(await statusOf(noted, { identity: "ada" })).toBe(429);
    expectOnlyRefused(noted, before);
    expect(await statusOf(noted, { identity: "bob" })).toBe(200);
    expect(await statusOf(noted, {})).toBe(200);
    expect(await statusOf(noted, {})).toBe(200);
    expect(await statusOf(noted, {})).toBe(200);
    first.leave();
    await until(() => noted.closed.length === 1);
    expect(await statusOf(noted, { identity: "ada" })).toBe(200);
    expect(await statusOf(noted, { identity: "ada" })).toBe(429);
  });

  test("counts the identity that authorize gives", async () => {
    const noted = notedHub({ maxConnectionsPerIdentity: 1, authorize: () => ({ identity: "ada" }) });
    expect(await statusOf(noted, { identity: "bob" })).toBe(200);
    expect(await statusOf(noted, { identity: "carol" })).toBe(429);
  });

  test("holds for requests that arrive at the same moment", async () => {
    const noted = notedHub({ maxConnectionsPerIdentity: 1, authorize: () => Promise.resolve(true) });
    const statuses = await Promise.all([1, 2, 3].map(() => statusOf(noted, { identity: "ada" })));
    expect(statuses.sort()).toEqual([200, 429, 429]);
  });

  test("counts a waiting poll, and answers HEAD as GET", async () => {
    const noted = notedHub({ maxConnectionsPerIdentity: 1 });
    const position = await noted.hub.topic("a").publish(1);
    const handle = fetchHandler(noted.hub, { identity: "ada" });
    const poll = handle(request(`topic=a&wire=poll&lastEventId=${position}`));
    await until(() => noted.opened.length === 1);
    expect((await handle(request("topic=a", { method: "HEAD" }))).status).toBe(429);
    await noted.hub.topic("a").publish(2);
    expect((await poll).status).toBe(200);
    await until(() => noted.closed.length === 1);
    expect((await handle(request("topic=a", { method: "HEAD" }))).status).toBe(200);
  });
});

describe("maxConnectionsPerAddress", () => {
  test("rejects one more connection from an address with 429, before authorize is called", async () => {
    let asked = 0;
    const noted = notedHub({ maxConnectionsPerAddress: 1, authorize: () => (asked += 1) > 0 });
    const first = await followHub(noted.hub, "topic=a&wire=ndjson", {}, { address: "192.0.2.1" });
    const before = noted.hub.stats();
    expect(await statusOf(noted, { address: "192.0.2.1" })).toBe(429);
    expect(await statusOf(noted, { address: "::ffff:192.0.2.1" })).toBe(429);
    expectOnlyRefused(noted, before, 2);
    expect(asked).toBe(1);
    expect(await statusOf(noted, { address: "192.0.2.2" })).toBe(200);
    first.leave();
    await until(() => noted.closed.length === 1);
    expect(await statusOf(noted, { address: "192.0.2.1" })).toBe(200);
  });

  test("counts the addresses of an IPv6 /64 as one", async () => {
    const noted = notedHub({ maxConnectionsPerAddress: 1 });
    expect(await statusOf(noted, { address: "2001:db8:1:2::1" })).toBe(200);
    expect(await statusOf(noted, { address: "2001:db8:1:2:ffff::9" })).toBe(429);
    expect(await statusOf(noted, { address: "2001:db8:1:3::1" })).toBe(200);
  });

  test("does not limit clients whose address is unknown", async () => {
    const noted = notedHub({ maxConnectionsPerAddress: 1, maxRequestsPerSecondPerAddress: 1 });
    for (let i = 0; i < 3; i += 1) expect(await statusOf(noted, {})).toBe(200);
  });

  test("believes forwarded headers only of trusted proxies", async () => {
    const noted = notedHub({ maxConnectionsPerAddress: 1, trustedProxies: ["10.0.0.0/8"] });
    const forged = { "x-forwarded-for": "198.51.100.7" };
    expect(await statusOf(noted, { address: "192.0.2.1" }, forged)).toBe(200);
    expect(await statusOf(noted, { address: "192.0.2.1" }, { "x-forwarded-for": "198.51.100.8" })).toBe(429);
    expect(await statusOf(noted, { address: "10.0.0.1" }, forged)).toBe(200);
    expect(await statusOf(noted, { address: "10.0.0.2" }, { forwarded: "for=198.51.100.7" })).toBe(429);
    expect(await statusOf(noted, { address: "10.0.0.2" }, { forwarded: "for=198.51.100.8" })).toBe(200);
  });

  test("takes a bad address in the options for a mistake of the application", async () => {
    for (const address of ["", "localhost", "1.2.3", 7, null]) {
      const { hub, errors } = notedHub();
      const response = await fetchHandler(hub, { address: address as string })(request("topic=a"));
      await problemOf(response, 500, "ERR_HANDLER");
      await expectCode("ERR_OPTION", () => Promise.reject(errors[0]), /address/);
    }
  });
});

describe("maxRequestsPerSecondPerAddress", () => {
  const options: HubOptions = { maxRequestsPerSecondPerAddress: 3 };
  const one: RequestOptions = { address: "192.0.2.1" };

  test("rejects further requests with 429 until the second is over", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
    let asked = 0;
    const noted = notedHub({ ...options, authorize: () => (asked += 1) > 0 });
    for (let i = 0; i < 3; i += 1) expect(await statusOf(noted, one)).toBe(200);
    const before = noted.hub.stats();
    for (let i = 0; i < 5; i += 1) expect(await statusOf(noted, one)).toBe(429);
    expectOnlyRefused(noted, before, 5);
    expect(asked).toBe(3);
    expect(await statusOf(noted, { address: "192.0.2.2" })).toBe(200);
    vi.advanceTimersByTime(999);
    expect(await statusOf(noted, one)).toBe(429);
    vi.advanceTimersByTime(1);
    expect(await statusOf(noted, one)).toBe(200);
  });

  test("counts requests that are refused for another reason, and no preflights", async () => {
    const noted = notedHub({ ...options, cors: { origins: ["https://a.example"] } });
    const handle = fetchHandler(noted.hub, one);
    const headers = { origin: "https://a.example" };
    for (let i = 0; i < 9; i += 1) {
      expect((await handle(request("topic=a", { method: "OPTIONS", headers }))).status).toBe(204);
    }
    const statuses: number[] = [];
    for (const query of ["", "topic=a&wire=x", "topic=a&from=x", "topic=a"]) {
      statuses.push((await handle(request(query, { headers }))).status);
    }
    expect(statuses).toEqual([400, 400, 400, 429]);
    const late = await handle(request("topic=a", { headers }));
    expect(late.headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(late.headers.get("access-control-expose-headers")).toBe("Retry-After");
  });

  test("keeps a count for no longer than a second, and for no more than 65,536 addresses", async () => {
    vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
    const { hub } = notedHub({ maxRequestsPerSecondPerAddress: 1 });
    const head = (n: number): number => {
      const address = `2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`;
      const view = { method: "HEAD", url: "/?topic=a", headers: { get: () => null }, address };
      return (hub._decide(view, () => ({})) as { readonly status: number }).status;
    };
    for (let n = 0; n < 65_537; n += 1) expect(head(n)).toBe(200);
    expect([head(0), head(65_535), head(65_536), head(65_536)]).toEqual([429, 429, 200, 200]);
    vi.advanceTimersByTime(2000);
    expect([head(0), head(65_536), head(65_536)]).toEqual([200, 200, 429]);
    // Nothing is left to check, so the hub's one timer stops.
    await hub.close({ drainMs: 0 });
    vi.advanceTimersByTime(600_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("Capacity counts identities and addresses only while they have places", () => {
  const limits = { maxConnections: 10, maxConnectionsPerIdentity: 5, maxConnectionsPerAddress: 5 };
  const capacity = new Capacity(limits);
  const places = [1, 2, 3].map((n) => capacity.take({ identity: `i${n}`, address: "192.0.2.1", isReturning: false }));
  expect(capacity.clients).toBe(4);
  for (const place of places) {
    place.free(true);
    place.free(true);
  }
  expect(capacity.clients).toBe(0);
});

test.each<[keyof HubOptions, unknown]>([
  ["trustedProxies", "10.0.0.0/8"],
  ["trustedProxies", ["10.0.0.0/33"]],
  ["trustedProxies", [true]],
])("the option %s must not be %j", async (name, value) => {
  await expectCode("ERR_OPTION", () => notedHub({ [name]: value }), new RegExp(name));
});
