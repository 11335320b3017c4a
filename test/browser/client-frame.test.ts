import { afterEach, describe, expect, test } from "vitest";
import type { RequestOptions } from "../../src/index.ts";
import {
  clientSite,
  follow,
  holds,
  recordOf,
  visit,
  type ClientSite,
  type SiteOptions,
} from "../support/client-site.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const nonce = "bm9uY2U";
/** Only scripts with the nonce run, and no script is made from text. */
const strict = `default-src 'none'; script-src 'nonce-${nonce}'; img-src data:; require-trusted-types-for 'script'`;
const strictPage = (frames: string): SiteOptions => ({
  nonce,
  headers: { "content-security-policy": `${strict}; frame-src ${frames}` },
});
const strictStream = (ancestors: string): RequestOptions => ({
  nonce,
  headers: { "content-security-policy": `${strict}; frame-ancestors ${ancestors}` },
});

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  /** Publishes numbers from 1 on, and expects a source to have received exactly these. */
  async function expectNumbers({ hub }: ClientSite, source: string, count: number): Promise<void> {
    const { page } = used;
    await holds(page, `page.records.${source}?.opens.length`);
    for (let number = 1; number <= count; number += 1) await hub.topic("a").publish({ number });
    await holds(page, `page.records.${source}.last === ${count}`);
    const { all, errors } = await recordOf(page, source);
    const messages = Array.from({ length: count }, (_, i) => ({
      type: "message",
      name: "message",
      data: { number: i + 1 },
    }));
    expect([all, errors]).toEqual([messages, []]);
  }

  test("hides its iframe, blocks nothing, adds no history entry, and removes the iframe with its source", async () => {
    const { page } = used;
    // A stream that ends within a second, with nothing in it, is an error.
    const site = await clientSite({ hub: { maxCometBytes: 2048, maxConnectionAgeMs: 1500 } });
    await visit(page, `${site.origin}/?follow=comet`);
    await expectNumbers(site, "comet", 50);
    await until(() => site.reasons.includes("recycle"));
    await holds(page, "page.frames() === 1 && document.readyState === 'complete'");
    expect(await page.evaluate("getComputedStyle(document.querySelector('iframe')).display")).toBe("none");
    expect(await page.evaluate("history.length - page.historyAtStart")).toBe(0);
    expect(await page.evaluate<number>("page.mostFrames")).toBeLessThanOrEqual(2);
    await page.evaluate("void page.sources.comet.close()");
    await holds(page, "page.frames() === 0 && !Object.keys(globalThis).some((key) => /^comet\\d/.test(key))");
    await until(() => site.hub.stats().connections === 0);
    expect(page.console).toEqual([]);
  });

  test.each([
    ["many messages", { count: 7000, length: 10, ahead: 500 }],
    ["long messages", { count: 250, length: 60_000, ahead: 20 }],
  ])("replaces an iframe after %s, without loss and without an event", async (_, { count, length, ahead }) => {
    const { page } = used;
    const site = await clientSite({
      hub: { maxCometBytes: 1 << 28, maxMessageBytes: 1 << 20, log: { maxEntries: count } },
    });
    await visit(page, `${site.origin}/?follow=comet`);
    await holds(page, "page.records.comet?.opens.length");
    const padding = "x".repeat(length);
    for (let number = 1; number <= count; number += 1) {
      await site.hub.topic("a").publish({ number, padding });
      if (number % (ahead / 2) === 0) await holds(page, `page.records.comet.last >= ${number - ahead}`);
    }
    await holds(page, `page.records.comet.last === ${count}`);
    const numbers = await page.evaluate<number[]>("page.records.comet.all.map(({ data }) => data.number)");
    expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(await recordOf(page, "comet")).toMatchObject({ opens: ["comet"], errors: [] });
    const frames = await page.evaluate<number>("page.allFrames");
    expect(frames).toBeGreaterThanOrEqual(3);
    expect(frames).toBeLessThanOrEqual(10);
    expect(await page.evaluate<number>("page.mostFrames")).toBe(2);
    await holds(page, "page.frames() === 1");
  });

  test("runs an iframe under strict policies of the page and the stream", async () => {
    const site = await clientSite({ ...strictPage("'self'"), connect: strictStream("'self'") });
    await visit(used.page, `${site.origin}/?follow=comet`);
    await expectNumbers(site, "comet", 20);
  });

  test.each(["posted", "sandboxed"])("runs an iframe of another origin, %s, under strict policies", async (wire) => {
    const { page } = used;
    const around = await clientSite(strictPage("http://127.0.0.1:*"));
    const site = await clientSite({
      hub: { cors: { origins: [around.origin] } },
      connect: strictStream(around.origin),
    });
    await visit(page, around.origin);
    await follow(page, wire, `${site.origin}/events?topic=a`, { wires: [wire] });
    await expectNumbers(site, wire, 20);
  });

  test("ignores messages that other iframes and windows post", async () => {
    const { page } = used;
    const around = await clientSite();
    const site = await clientSite({ hub: { cors: { origins: [around.origin] } } });
    await visit(page, around.origin);
    for (const wire of ["posted", "sandboxed"]) {
      await follow(page, wire, `${site.origin}/events?topic=a`, { wires: [wire] });
      await holds(page, `page.records.${wire}.opens.length`);
    }
    const position = await page.evaluate<string>("page.sources.posted.lastEventId");
    const forged = [{ id: position.replace(/\d+$/, "9"), data: "forged" }, { error: { status: 403 } }, { end: {} }];
    const texts = JSON.stringify(forged.map((item) => JSON.stringify(item)));
    const address = `${site.origin}/?forge=${encodeURIComponent(texts)}`;
    await page.evaluate(`new Promise((resolve) => {
      let came = 0;
      addEventListener("message", ({ data }) => data.some((text) => text.includes("forged")) && (came += 1) === 3 && resolve());
      postMessage(${texts}, "*");
      for (const sandbox of ["allow-scripts allow-same-origin", "allow-scripts"]) {
        const frame = document.createElement("iframe");
        frame.sandbox = sandbox;
        frame.src = ${JSON.stringify(address)};
        document.body.append(frame);
      }
    })`);
    for (const wire of ["posted", "sandboxed"]) {
      expect(await recordOf(page, wire)).toMatchObject({ all: [], errors: [], closes: [] });
    }
    await site.hub.topic("a").publish("true");
    await holds(page, "page.records.posted.messages + page.records.sandboxed.messages === 2");
  });

  test("dispatches an error and no message in a page that the hub does not allow", async () => {
    const { page } = used;
    const around = await clientSite();
    const site = await clientSite({ hub: { cors: { origins: ["https://other.test"] } } });
    await visit(page, around.origin);
    await follow(page, "posted", `${site.origin}/events?topic=a&from=oldest`, { wires: ["posted"] });
    await site.hub.topic("a").publish("secret");
    await holds(page, "page.records.posted.errors.length > 1");
    expect(await recordOf(page, "posted")).toMatchObject({ all: [], opens: [] });
    expect(site.opened).toEqual([]);
  });
});
