import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import type { NodeResponse } from "../../src/adapters/node/index.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;

/** Answers each request of a path. */
const answering =
  (path: string, answer: (response: ServerResponse) => void) =>
  (response: NodeResponse): boolean => {
    if (new URL(response.req.url ?? "/", "http://site.test").pathname !== path) return false;
    answer(response as ServerResponse);
    return true;
  };

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate(
      "(sessionStorage.clear(), Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close()))",
    ),
  );

  test.each(wires)("follows an address relative to the page's base address over %s", async (wire) => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    await visit(page, origin);
    await page.evaluate("void (document.head.appendChild(document.createElement('base')).href = '/deep/down/')");
    await follow(page, wire, "../../events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length`);
    await hub.topic("a").publish({ number: 1 });
    await holds(page, `page.records.${wire}.last === 1`);
    expect(await page.evaluate(`page.sources.${wire}.url`)).toBe(`${origin}/events?topic=a`);
  });

  test.each([...wires, "posted"] as const)("follows the hub from about:srcdoc over %s", async (wire) => {
    const { page } = used;
    const around = await clientSite();
    const site = wire === "posted" ? await clientSite({ hub: { cors: { origins: [around.origin] } } }) : around;
    const address = `${wire === "posted" ? site.origin : ""}/events?topic=a`;
    await visit(page, around.origin);
    await page.evaluate(
      `void (document.body.appendChild(Object.assign(document.createElement("iframe"), { id: "inner" })).srcdoc = "<script src=/client.js></scr" + "ipt>")`,
    );
    await holds(page, "inner.contentWindow.page && inner.contentDocument.readyState === 'complete'");
    await page.evaluate(`void inner.contentWindow.page.follow("${wire}", "${address}", { wires: ["${wire}"] })`);
    await holds(page, `inner.contentWindow.page.records.${wire}.opens.length`);
    await site.hub.topic("a").publish({ number: 1 });
    await holds(page, `inner.contentWindow.page.records.${wire}.last === 1`);
    await page.evaluate(`void inner.contentWindow.page.sources.${wire}.close()`);
  });

  test.each([
    ["sse if the page's fetch fails", {}, "globalThis.fetch = () => Promise.reject(new TypeError('blocked'))", "sse"],
    ["comet if its policy allows no connection", { "content-security-policy": "connect-src 'none'" }, "0", "comet"],
  ])("uses %s, at once and after each recycle", async (_, headers, block, expected) => {
    const { page } = used;
    const site = await clientSite({ headers, hub: { maxConnectionBytes: 2000 } });
    await visit(page, site.origin);
    await page.evaluate(`void (${block})`);
    // A wire that is silent is left later than the test waits.
    await follow(page, "any", "/events?topic=a");
    await holds(page, "page.records.any.opens.length");
    for (let number = 1; number <= 50; number += 1) {
      await site.hub.topic("a").publish({ number, padding: "x".repeat(200) });
      await holds(page, `page.records.any.last === ${number}`);
    }
    expect(site.reasons.filter((reason) => reason === "recycle").length).toBeGreaterThan(3);
    expect(await recordOf(page, "any")).toMatchObject({ opens: [expected], messages: 50, errors: [], closes: [] });
    expect(new Set(site.asked.map((query) => query.get("wire")))).toEqual(new Set([expected]));
  });

  test.each(["ndjson", "sse", "poll"])("closes the source for good after a 204 over %s", async (wire) => {
    const { page } = used;
    const site = await clientSite({ instead: answering("/events", (response) => response.writeHead(204).end()) });
    await visit(page, site.origin);
    await follow(page, wire, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.closes.length`);
    expect(await recordOf(page, wire)).toMatchObject({ errors: [{ retryMs: null }], closes: ["error"], opens: [] });
    expect(site.asked).toHaveLength(1);
  });

  test("closes the source for good after a 404 over sse, as its EventSource does", async () => {
    const { page } = used;
    const site = await clientSite({ instead: answering("/events", (response) => response.writeHead(404).end()) });
    await visit(page, site.origin);
    await follow(page, "sse", "/events?topic=a", { wires: ["sse"] });
    await holds(page, "page.records.sse.closes.length");
    expect(await recordOf(page, "sse")).toMatchObject({ errors: [{ code: "ERR_NETWORK", retryMs: null }], opens: [] });
    expect(site.asked).toHaveLength(1);
  });

  test.each(wires)("is silent over %s while the page is left for a slow one", async (wire) => {
    const { page } = used;
    let slow: ServerResponse | undefined;
    const site = await clientSite({ instead: answering("/slow", (response) => (slow = response)) });
    await visit(page, site.origin);
    await follow(page, wire, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length`);
    await page.evaluate(`void page.sources.${wire}.addEventListener("error", () => (sessionStorage.error = true))`);
    const before = site.asked.length;
    const logged = page.console.length;
    // Any reconnection is earlier than the tick: its timer is shorter, and set at the cut.
    await page.evaluate(
      "void setTimeout(() => (location.assign('/slow'), setTimeout(() => console.log('tick'), 1000)))",
    );
    await until(() => slow !== undefined && page.console.slice(logged).some(({ text }) => text === "tick"));
    slow?.end("<!doctype html><title>Slow</title>" + " ".repeat(2000));
    await holds(page, "document.title === 'Slow'");
    expect(await page.evaluate("sessionStorage.error ?? null")).toBe(null);
    expect(site.asked).toHaveLength(before);
  });
});
