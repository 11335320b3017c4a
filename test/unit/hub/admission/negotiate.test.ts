import { describe, expect, test } from "vitest";
import { notedHub, problemOf, request, wireOfResponse } from "../../../support/hub.ts";

async function wireFor(query: string, headers: Record<string, string>): Promise<string> {
  const { hub } = notedHub();
  const response = await hub.fetch(request(`topic=a${query}`, { headers }));
  if (response.ok) return wireOfResponse(response);
  await problemOf(response, 406, "ERR_ACCEPT");
  return "406";
}

const ndjson = "application/x-ndjson";
const sse = "text/event-stream";
const html = "text/html";
const json = "application/json";

describe("Accept", () => {
  test.each([
    // Headers of real clients.
    ["*/*", "ndjson"],
    ["", "ndjson"],
    [sse, "sse"],
    ["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "comet"],
    ["application/json, text/plain, */*", "poll"],
    [json, "poll"],
    [ndjson, "ndjson"],
    ["application/ndjson", "ndjson"],
    // Weights.
    [`${ndjson};q=0.5, ${sse};q=0.6`, "sse"],
    [`${sse};q=0.001, ${html};q=0`, "sse"],
    [`${json};q=1.000, ${ndjson};q=0.999`, "poll"],
    [`${json};q=0.9, */*;q=0.1`, "poll"],
    [`${html};q=0.2, */*;q=0.8`, "ndjson"],
    [`${ndjson};q=0.1, application/ndjson;q=0.1, */*;q=0.8`, "sse"],
    // The more specific range sets the weight of a type, at any place in the list.
    [`*/*, ${ndjson};q=0, application/ndjson;q=0`, "sse"],
    [`text/*;q=0, */*;q=0.5`, "ndjson"],
    [`application/*;q=0, */*;q=0.5`, "sse"],
    [`text/*, ${sse};q=0`, "comet"],
    [`text/*;q=0.5, ${html};q=0.4`, "sse"],
    // Among equal weights the more specific range wins, then the order of PROTOCOL.md.
    [`*/*, ${json}`, "poll"],
    [`*/*, text/*`, "sse"],
    [`text/*, application/*`, "ndjson"],
    [`text/*, ${json}`, "poll"],
    [`${json}, ${html}, ${sse}, ${ndjson}`, "ndjson"],
    [`${json}, ${html}, ${sse}`, "sse"],
    [`${json}, ${html}`, "comet"],
    // Variants of the syntax.
    [`${sse.toUpperCase()} ; Q=0.5`, "sse"],
    [` ${json} `, "poll"],
    [`${html};level=1;q=0.5, ${sse};q=0.4`, "comet"],
    [`,, ${sse} ,`, "sse"],
    [`${sse};q=0.3, ${sse};q=0.9, ${json};q=0.5`, "sse"],
    // An invalid weight accepts nothing.
    [`${sse};q=2, ${json};q=0.1`, "poll"],
    [`${sse};q=-1, ${json};q=0.1`, "poll"],
    [`${sse};q=high, ${json};q=0.1`, "poll"],
    [`${sse};q=, ${json};q=0.1`, "poll"],
    [`${sse};q=NaN`, "406"],
    [`${sse};q=0x1`, "406"],
    // Nothing is acceptable.
    ["image/png", "406"],
    ["*/*;q=0", "406"],
    [`${ndjson};q=0, ${sse};q=0.0, ${html};q=0.000, ${json};q=0`, "406"],
    ["text/plain, application/xml", "406"],
    ["json", "406"],
    ["*", "406"],
    ["*/json", "406"],
    [";;;,,,===", "406"],
    ["a".repeat(5000), "406"],
  ])("selects, for %s, %s", async (accept, wire) => {
    expect(await wireFor("", { accept })).toBe(wire);
  });

  test("does not serve a type that the client excludes under another name", async () => {
    expect(await wireFor("", { accept: `*/*, ${ndjson};q=0` })).toBe("sse");
  });

  test("selects ndjson if it is missing", async () => {
    expect(await wireFor("", {})).toBe("ndjson");
  });
});

describe("Sec-Fetch-Dest", () => {
  test.each([
    ["document", "comet"],
    ["iframe", "comet"],
    ["frame", "comet"],
    ["empty", "poll"],
    ["script", "poll"],
    ["", "poll"],
    ["image", "poll"],
  ])("%s, with an Accept of JSON, selects %s", async (dest, wire) => {
    expect(await wireFor("", { "sec-fetch-dest": dest, accept: json })).toBe(wire);
  });
});

describe("the parameter wire", () => {
  test.each(["comet", "sse", "ndjson", "poll"])("takes precedence over all headers: %s", async (wire) => {
    expect(await wireFor(`&wire=${wire}`, { accept: "image/png", "sec-fetch-dest": "iframe" })).toBe(wire);
    expect(await wireFor(`&wire=${wire}`, { accept: "*/*;q=0" })).toBe(wire);
  });
});

test("ignores a parameter of the comet wire on another wire, but rejects it if malformed", async () => {
  const { hub } = notedHub();
  const response = await hub.fetch(request("topic=a&wire=ndjson&mode=managed&callback=eval"));
  expect(wireOfResponse(response)).toBe("ndjson");
});
