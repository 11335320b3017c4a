import { afterEach, describe, expect, test } from "vitest";
import { bufferingProxy } from "../support/client-proxy.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test("closes the source after a refusal, and names the reason where the browser shows it", async () => {
    const { page } = used;
    const origins = ["https://other.test"];
    const site = await clientSite({ hub: { authorize: () => 403, cors: { origins } } });
    await visit(page, site.origin);
    for (const wire of wires) await follow(page, wire, "/events?topic=a", { wires: [wire] });
    for (const wire of ["ndjson", "comet", "poll"]) {
      await holds(page, `page.records.${wire}.closes.length > 0`);
      expect(await recordOf(page, wire)).toMatchObject({
        errors: [{ code: "ERR_FORBIDDEN", status: 403, retryMs: null }],
        closes: ["error"],
        opens: [],
      });
    }
    // An EventSource does not show the status.
    await holds(page, "page.records.sse.closes.length > 0");
    expect(await recordOf(page, "sse")).toMatchObject({
      errors: [{ code: "ERR_NETWORK", retryMs: null }],
      closes: ["error"],
      opens: [],
    });
    await holds(page, "page.frames() === 0");
  });

  test("closes a source of another origin after a refusal", async () => {
    const { page } = used;
    const around = await clientSite();
    const site = await clientSite({ hub: { authorize: () => 403, cors: { origins: [around.origin] } } });
    await visit(page, around.origin);
    await follow(page, "posted", `${site.origin}/events?topic=a`, { wires: ["posted"] });
    await holds(page, "page.records.posted.closes.length > 0");
    expect(await recordOf(page, "posted")).toMatchObject({ errors: [{ code: "ERR_FORBIDDEN", status: 403 }] });
  });

  test("delivers to other listeners and further messages after a listener has thrown", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    await visit(page, origin);
    for (const wire of wires) {
      await follow(page, wire, "/events?topic=a", { wires: [wire], throws: true });
      await holds(page, `page.records.${wire}.opens.length`);
    }
    for (let number = 1; number <= 5; number += 1) await hub.topic("a").publish({ number });
    for (const wire of wires) {
      await holds(page, `page.records.${wire}.messages === 5`);
      expect(await recordOf(page, wire)).toMatchObject({ errors: [], last: 5 });
    }
    await until(() => page.console.filter(({ text }) => text.includes("of the page's own")).length === 20);
  });

  test("falls back to polls behind a proxy that holds streams back, and remembers that after a reload", async () => {
    const { page } = used;
    const site = await clientSite({ hub: { pollMs: 100 } });
    const { origin } = await bufferingProxy(site);
    const start = async (): Promise<void> => {
      await visit(page, origin);
      await follow(page, "any", "/events?topic=a", { openTimeoutMs: 2000 });
      await holds(page, "page.records.any.opens.length");
      expect((await recordOf(page, "any")).opens).toEqual(["poll"]);
    };
    await start();
    const asked = (wire: string): number => site.asked.filter((query) => query.get("wire") === wire).length;
    await until(() => asked("poll") > 4);
    for (const wire of ["ndjson", "sse", "comet"]) expect(asked(wire)).toBe(2);
    await site.hub.topic("a").publish({ number: 1 });
    await holds(page, "page.records.any.last === 1");
    site.asked.length = 0;
    await start();
    await site.hub.topic("a").publish({ number: 2 });
    await holds(page, "page.records.any.last === 2");
    expect(new Set(site.asked.map((query) => query.get("wire")))).toEqual(new Set(["poll"]));
    await page.evaluate("sessionStorage.clear()");
  });

  test.for(wires)(
    "resumes when the user returns to the page, from the browser's cache if it is kept, on %s",
    async (wire) => {
      const { page } = used;
      const { hub, origin } = await clientSite({ hub: { pollMs: 1000 } });
      await visit(page, `${origin}/?follow=${wire}`);
      await holds(page, `page.records.${wire}.opens.length`);
      await hub.topic("a").publish({ number: 1 });
      await holds(page, `page.records.${wire}.last === 1`);
      await visit(page, `${origin}/elsewhere`);
      await until(() => hub.stats().connections === 0);
      await hub.topic("a").publish({ number: 2 });
      await page.evaluate("void setTimeout(() => history.back())");
      await holds(page, "location.search !== '' && globalThis.page?.persisted !== undefined");
      // Firefox keeps no page whose streams it had to cut, and none under automation: there the page loads again.
      const isKept = name !== "firefox";
      expect(await page.evaluate<boolean>("page.persisted")).toBe(isKept);
      await holds(page, isKept ? `page.records.${wire}.last === 2` : `page.records.${wire}.opens.length`);
      await hub.topic("a").publish({ number: 3 });
      await holds(page, `page.records.${wire}.last === 3`);
    },
  );
});
