import { describe, expect, test } from "vitest";
import { fetchHandler, type HubOptions } from "../../../../src/index.ts";
import { compressesAll } from "../../../support/compresses-all.ts";
import { notedHub, problemOf, request, streams } from "../../../support/hub.ts";
import { expectCode } from "../../../support/sources.ts";

/** The headers of the answer to a client that sends this `Accept-Encoding`. */
async function headersFor(
  acceptEncoding: string | undefined,
  query = "topic=a&wire=ndjson",
  options: HubOptions = { compression: true },
  method = "GET",
): Promise<Headers> {
  const { hub } = notedHub(options);
  const headers = acceptEncoding === undefined ? {} : { "accept-encoding": acceptEncoding };
  const response = await hub.fetch(request(query, { method, headers }));
  await response.body?.cancel();
  return response.headers;
}

const codingFor = async (...args: Parameters<typeof headersFor>): Promise<string | null> =>
  (await headersFor(...args)).get("content-encoding");

describe("Accept-Encoding", () => {
  test.each([
    "gzip",
    "gzip, deflate",
    "gzip, deflate, br, zstd",
    "GZIP",
    "x-gzip",
    "*",
    "br, *;q=0.1",
    "gzip;q=0.5",
    "gzip;q=0.001",
    "gzip ; Q=1.000",
    "identity;q=0.5, gzip;q=0.5",
    "identity, gzip",
    "gzip;q=0.2, br;q=1",
    "*;q=0, gzip",
    "identity;q=0",
  ])("%s gets gzip unless nothing names it", async (accept) => {
    expect(await codingFor(accept)).toBe(accept === "identity;q=0" ? null : "gzip");
  });

  test.each([
    undefined,
    "",
    "identity",
    "br",
    "deflate",
    "gzip;q=0",
    "gzip;q=0.0, *",
    "*;q=0",
    "identity;q=1, gzip;q=0.9",
    "identity, *;q=0.5",
    "gzip;q=2",
    "gzip;q=x",
    "gzip;q=",
    "gzipp",
    `${"a,".repeat(2000)}gzip`,
  ])("%s gets no coding", async (accept) => {
    expect(await codingFor(accept)).toBeNull();
  });
});

describe("the head of a stream that may be compressed", () => {
  test.each(["gzip", "identity"])("varies with Accept-Encoding for %s, and keeps no-transform", async (accept) => {
    const headers = await headersFor(accept);
    expect(headers.get("vary")).toBe("Accept, Sec-Fetch-Dest, Accept-Encoding");
    expect(headers.get("cache-control")).toBe("no-store, no-transform");
  });

  test.each(streams)("is the same for HEAD on %s", async (wire) => {
    const [get, head] = await Promise.all(
      ["GET", "HEAD"].map((method) => headersFor("gzip", `topic=a&wire=${wire}`, { compression: true }, method)),
    );
    expect(get?.get("content-encoding")).toBe("gzip");
    expect([...(head ?? [])]).toEqual([...(get ?? [])]);
  });

  test("names no coding on a poll, a refusal and a stream that its client has read", async () => {
    expect(await codingFor("gzip", "topic=a&wire=poll&wait=0")).toBeNull();
    const { hub } = notedHub({ compression: true });
    const headers = { "accept-encoding": "gzip" };
    const refused = await hub.fetch(request("topic=", { headers }));
    expect(refused.headers.get("content-encoding")).toBeNull();
    await problemOf(refused, 400, "ERR_TOPIC");
    const topic = hub.topic<string>("f", { finite: true });
    const end = await topic.end();
    const read = await hub.fetch(request("topic=f&wire=sse", { headers: { ...headers, "last-event-id": end } }));
    expect([read.status, read.headers.get("content-encoding")]).toEqual([204, null]);
  });

  test("leaves a Content-Encoding to the application that sets one", async () => {
    const { hub } = notedHub({ compression: true });
    const handle = fetchHandler(hub, { headers: { "content-encoding": "identity" } });
    const response = await handle(request("topic=a", { headers: { "accept-encoding": "gzip" } }));
    expect(response.headers.get("content-encoding")).toBe("identity");
    await response.body?.cancel();
    expect(hub.stats().compression?.sentBytes).toBe(0);
  });
});

describe("compression", () => {
  test.each<[HubOptions["compression"], string, boolean]>([
    [false, "topic=a", false],
    [undefined, "topic=a", compressesAll],
    [true, "topic=a", true],
    [true, "topic=a&topic=a", true],
    [true, "topic=a&topic=b", false],
    [() => true, "topic=a&topic=b", true],
    [(topics) => topics.includes("b"), "topic=a&topic=b", true],
    [(topics) => topics.includes("b"), "topic=a", false],
  ])("%s decides on %s", async (compression, query, isPacked) => {
    const options = compression === undefined ? {} : { compression };
    const headers = await headersFor("gzip", `${query}&wire=ndjson`, options);
    expect(headers.get("content-encoding")).toBe(isPacked ? "gzip" : null);
    expect(headers.get("vary")?.includes("Accept-Encoding")).toBe(isPacked);
  });

  test("calls the function with the topics that the client may follow, as a list of its own", async () => {
    const calls: string[][] = [];
    const { hub } = notedHub({
      authorize: () => ({ topics: ["b", "a"] }),
      compression: (topics) => {
        calls.push([...topics]);
        (topics as string[]).length = 0;
        return true;
      },
    });
    const response = await hub.fetch(request("topic=a&topic=b&topic=c&wire=ndjson"));
    expect(calls).toEqual([["a", "b"]]);
    expect([...hub.subscriptions()].map(({ topics }) => topics)).toEqual([["a", "b"]]);
    await response.body?.cancel();
  });

  test.each<[string, HubOptions["compression"]]>([
    ["throws", () => JSON.parse("{") as boolean],
    ["returns no boolean", (() => "yes") as unknown as () => boolean],
    ["returns a promise", (() => Promise.resolve(true)) as unknown as () => boolean],
  ])("answers 500, and reports to the application, if the function %s", async (_, compression) => {
    const { hub, errors } = notedHub({ ...(compression !== undefined && { compression }) });
    await problemOf(await hub.fetch(request("topic=a")), 500, "ERR_AUTHORIZE");
    expect(errors).toHaveLength(1);
    expect(hub.stats()).toMatchObject({ opened: 0, rejected: 1 });
  });

  test("says what it must return", async () => {
    const { hub, errors } = notedHub({ compression: (() => 1) as unknown as () => boolean });
    await hub.fetch(request("topic=a"));
    await expectCode("ERR_OPTION", () => Promise.reject(errors[0]), /compression must return true or false, not 1/);
  });
});
