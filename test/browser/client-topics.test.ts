import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import type { Hub } from "../../src/index.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { turns, until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

/** Publishes numbers to topics. @returns A function that stops it, and resolves to the last number. */
function publishing(hub: Hub, topics: readonly string[]): () => Promise<number> {
  let number = 0;
  let isOver = false as boolean;
  const loop = (async () => {
    while (!isOver) {
      number += 1;
      for (const topic of topics) await hub.topic(topic).publish({ topic, number });
      await turns(20);
    }
  })();
  onTestFinished(() => void (isOver = true));
  return async () => {
    isOver = true;
    await loop;
    return number;
  };
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test.each([
    ["ndjson", false],
    ["sse", false],
    ["comet", false],
    ["poll", false],
    ["ndjson", true],
  ])("loses nothing over %s while topics come and go under load, shared between tabs: %s", async (wire, share) => {
    const { page } = used;
    const { hub, origin } = await clientSite({ hub: { pollMs: 100, log: { maxEntries: 100_000 } } });
    await visit(page, origin);
    await follow(page, "it", "/events?topic=kept", { wires: [wire], share });
    await holds(page, "page.records.it.opens.length");
    const stop = publishing(hub, ["kept", "other"]);
    const count = (topic: string): string =>
      `page.records.it.all.filter(({ data }) => data?.topic === "${topic}").length`;
    const more = async (topic: string): Promise<void> => {
      const had = await page.evaluate<number>(count(topic));
      await holds(page, `${count(topic)} > ${had} + 2`);
    };
    await more("kept");
    for (let round = 0; round < 3; round += 1) {
      await page.evaluate("void (page.sources.it.topics = [...page.sources.it.topics, 'other'])");
      await more("other");
      await page.evaluate("void page.sources.it.reconnect()");
      await more("other");
      // Nothing of a topic arrives once it has been left out.
      const left = await page.evaluate<number>(`(page.sources.it.topics = ["kept"], ${count("other")})`);
      await more("kept");
      expect(await page.evaluate<number>(count("other"))).toBe(left);
    }
    const last = await stop();
    await holds(page, `page.records.it.last === ${last}`);
    const { all, errors, closes } = await recordOf(page, "it");
    const kept = all.flatMap((item) =>
      item.type === "message" && (item.data as { topic: string }).topic === "kept"
        ? [(item.data as { number: number }).number]
        : [],
    );
    expect(kept).toEqual(Array.from(kept, (_, i) => (kept[0] as number) + i));
    expect([all.filter(({ type }) => type === "gap"), errors, closes]).toEqual([[], [], []]);
    await until(() => hub.stats().connections <= 1);
  });
});

// WebKit has no command that takes its network away: see the unit tests of reconnection.
describe.each(["chromium", "firefox"] as const)("in %s", (name) => {
  const used = useBrowser(name);

  test.each(["ndjson", "sse", "poll"])(
    "reports over %s that the browser is offline, and resumes once it is online",
    async (wire) => {
      const { page } = used;
      const { hub, origin } = await clientSite({ hub: { pollMs: 100 } });
      await visit(page, origin);
      await follow(page, "it", "/events?topic=a", { wires: [wire] });
      await holds(page, "page.records.it.opens.length");
      await hub.topic("a").publish({ number: 1 });
      await holds(page, "page.records.it.last === 1");
      await page.setOffline?.(true);
      await holds(page, "page.records.it.errors.length > 2");
      const { errors } = await recordOf(page, "it");
      expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["ERR_OFFLINE"]));
      expect(await page.evaluate("page.sources.it.readyState")).toBe(0);
      await hub.topic("a").publish({ number: 2 });
      await page.setOffline?.(false);
      await holds(page, "page.records.it.last === 2");
      expect((await recordOf(page, "it")).messages).toBe(2);
      await page.evaluate("void page.sources.it.close()");
    },
  );
});
