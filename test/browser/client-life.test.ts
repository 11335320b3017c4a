import { afterEach, describe, expect, test } from "vitest";
import { bufferingProxy } from "../support/client-proxy.ts";
import { clientSite, follow, holds, toldTo, visit } from "../support/client-site.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test("a refusal closes the source, wherever a browser lets it be seen", async () => {
    const { page } = used;
    const origins = ["https://other.test"];
    const site = await clientSite({ hub: { authorize: () => 403, cors: { origins } } });
    await visit(page, site.origin);
    for (const wire of wires) await follow(page, wire, "/events?topic=a", { wires: [wire] });
    for (const wire of ["ndjson", "comet", "poll"]) {
      await holds(page, `page.told.${wire}.closes.length > 0`);
      expect(await toldTo(page, wire)).toMatchObject({
        errors: [{ code: "ERR_FORBIDDEN", status: 403, retryMs: null }],
        closes: ["error"],
        opens: [],
      });
    }
    // An EventSource says nothing of a status.
    await holds(page, "page.told.sse.errors.length > 1");
    const sse = await toldTo(page, "sse");
    expect([sse.errors[0]?.code, sse.closes]).toEqual(["ERR_NETWORK", []]);
    await holds(page, "page.frames() === 0");
  });

  test("a posted refusal comes as well", async () => {
    const { page } = used;
    const around = await clientSite();
    const site = await clientSite({ hub: { authorize: () => 403, cors: { origins: [around.origin] } } });
    await visit(page, around.origin);
    await follow(page, "posted", `${site.origin}/events?topic=a`, { wires: ["posted"] });
    await holds(page, "page.told.posted.closes.length > 0");
    expect(await toldTo(page, "posted")).toMatchObject({ errors: [{ code: "ERR_FORBIDDEN", status: 403 }] });
  });

  test("a listener that throws harms no other, and costs no message", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    await visit(page, origin);
    for (const wire of wires) {
      await follow(page, wire, "/events?topic=a", { wires: [wire], throws: true });
      await holds(page, `page.told.${wire}.opens.length`);
    }
    for (let number = 1; number <= 5; number += 1) await hub.topic("a").publish({ number });
    for (const wire of wires) {
      await holds(page, `page.told.${wire}.messages === 5`);
      expect(await toldTo(page, wire)).toMatchObject({ errors: [], last: 5 });
    }
    await until(() => page.console.filter(({ text }) => text.includes("of the page's own")).length === 20);
  });

  test("behind a proxy that holds everything back it falls to polls, and knows that after a reload", async () => {
    const { page } = used;
    const site = await clientSite({ hub: { pollMs: 100 } });
    const { origin } = await bufferingProxy(site);
    const start = async (): Promise<void> => {
      await visit(page, origin);
      await follow(page, "any", "/events?topic=a", { openTimeoutMs: 150 });
      await holds(page, "page.told.any.opens.length");
      expect((await toldTo(page, "any")).opens).toEqual(["poll"]);
    };
    await start();
    const asked = (wire: string): number => site.asked.filter((query) => query.get("wire") === wire).length;
    await until(() => asked("poll") > 4);
    for (const wire of ["ndjson", "sse", "comet"]) expect(asked(wire)).toBe(2);
    await site.hub.topic("a").publish({ number: 1 });
    await holds(page, "page.told.any.last === 1");
    site.asked.length = 0;
    await start();
    await site.hub.topic("a").publish({ number: 2 });
    await holds(page, "page.told.any.last === 2");
    expect(new Set(site.asked.map((query) => query.get("wire")))).toEqual(new Set(["poll"]));
    await page.evaluate("sessionStorage.clear()");
  });

  test.for(wires)(
    "a page that the user comes back to goes on, from the cache of the browser where it is kept, on %s",
    async (wire) => {
      const { page } = used;
      const { hub, origin } = await clientSite({ hub: { pollMs: 1000 } });
      await visit(page, `${origin}/?follow=${wire}`);
      await holds(page, `page.told.${wire}.opens.length`);
      await hub.topic("a").publish({ number: 1 });
      await holds(page, `page.told.${wire}.last === 1`);
      await visit(page, `${origin}/elsewhere`);
      await until(() => hub.stats().connections === 0);
      await hub.topic("a").publish({ number: 2 });
      await page.evaluate("void setTimeout(() => history.back())");
      await holds(page, "location.search !== '' && globalThis.page?.persisted !== undefined");
      // Firefox keeps no page whose streams it had to cut itself, nor any while it is driven: there the page begins anew.
      const isKept = name !== "firefox";
      expect(await page.evaluate<boolean>("page.persisted")).toBe(isKept);
      await holds(page, isKept ? `page.told.${wire}.last === 2` : `page.told.${wire}.opens.length`);
      await hub.topic("a").publish({ number: 3 });
      await holds(page, `page.told.${wire}.last === 3`);
    },
  );
});
