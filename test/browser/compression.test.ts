/** Compressed streams in each browser, by plain pages and by the client, also behind nginx. */
import { describe, expect, test } from "vitest";
import { clientSite, follow, holds, recordOf, visit, type ClientSite } from "../support/client-site.ts";
import { Follower, serveHub, streams } from "../support/hub.ts";
import { startNginx } from "../support/nginx.ts";
import { until } from "../support/sources.ts";
import type { Page } from "../support/browsers/browser.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const message = (i: number): string => `message ${i} of many, all of which are much alike`;

/** A site whose hub compresses. */
const packingSite = (): Promise<ClientSite> => clientSite({ hub: { compression: true } });

/** Whether a hub that compresses has saved a third. On a busy machine it sends more messages as they are, for want of time. */
function hasSaved({ hub }: ClientSite): boolean {
  const { compression } = hub.stats();
  return compression === undefined || compression.sentBytes < (2 / 3) * compression.plainBytes;
}

/**
 * Publishes messages one by one, each once the page has the one before it: twelve, or as many as the hub takes to save bytes.
 *
 * @returns The messages.
 */
async function publishEach(site: ClientSite, received: (count: number) => Promise<void>): Promise<string[]> {
  const published: string[] = [];
  while (published.length < 12 || !hasSaved(site)) {
    const next = message(published.length);
    published.push(next);
    await site.hub.topic("a").publish(next);
    await received(published.length);
  }
  return published;
}

/** The sizes of the first response of this kind that has ended, as the page sees them: on the wire, and inflated. */
async function sizesOf(page: Page, query: string): Promise<readonly [encoded: number, decoded: number]> {
  const entry = `performance.getEntriesByType("resource").find(({ name }) => name.includes("/events?${query}"))`;
  await holds(page, `${entry}.decodedBodySize > 0`);
  return page.evaluate(`(({ encodedBodySize, decodedBodySize }) => [encodedBodySize, decodedBodySize])(${entry})`);
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test.each([true, false])("a page's EventSource gets each message at once, and sees the coding: %s", async (packs) => {
    const { page } = used;
    const site = await clientSite({ hub: { compression: packs } });
    await visit(page, site.origin);
    await page.evaluate(`void (() => {
      window.texts = [];
      window.source = new EventSource("/events?topic=a");
      source.onmessage = ({ data }) => texts.push(data);
      source.onerror = () => source.close();
    })()`);
    await until(() => site.opened.length === 1);
    const published = await publishEach(site, (count) => holds(page, `texts.length === ${count}`));
    expect(await page.evaluate("texts")).toEqual(published);
    await site.hub.close({ drainMs: 0 });
    const [encoded, decoded] = await sizesOf(page, "topic=a");
    if (packs) expect(encoded).toBeLessThan(decoded * 0.8);
    // WebKit counts the framing of chunks too.
    else expect(encoded).toBeGreaterThanOrEqual(decoded);
  });

  test("a page's fetch gets each message, and sees the coding and the end of the body", async () => {
    const { page } = used;
    const site = await packingSite();
    await visit(page, site.origin);
    await page.evaluate(`void (async () => {
      window.body = "";
      window.done = false;
      const response = await fetch("/events?topic=a&wire=ndjson");
      window.coding = response.headers.get("content-encoding");
      const text = new TextDecoder();
      for (const reader = response.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        window.body += text.decode(value, { stream: true });
      }
      window.done = true;
    })()`);
    await until(() => site.opened.length === 1);
    await publishEach(site, (count) => holds(page, `body.split("\\n").length === ${count + 2}`));
    await site.hub.close({ drainMs: 0 });
    await holds(page, "done");
    expect(await page.evaluate("coding")).toBe("gzip");
  });

  test("an iframe calls the page's callback at each message", async () => {
    const { page } = used;
    const site = await packingSite();
    await visit(page, site.origin);
    await page.evaluate(`void (() => {
      window.received = [];
      window.cometMessage = (data) => received.push(data);
      const frame = document.createElement("iframe");
      frame.src = "/events?topic=a&callback=parent.cometMessage";
      document.body.append(frame);
    })()`);
    await until(() => site.opened.length === 1);
    const published = await publishEach(site, (count) => holds(page, `received.length === ${count}`));
    expect(await page.evaluate("received")).toEqual(published);
    await site.hub.close({ drainMs: 0 });
    const [encoded, decoded] = await sizesOf(page, "topic=a&callback=");
    expect(encoded).toBeLessThan(decoded * 0.8);
    await page.evaluate("void document.querySelector('iframe').remove()");
  });

  test.each(streams)("the client follows a compressed stream over %s", async (wire) => {
    const { page } = used;
    const site = await packingSite();
    await visit(page, site.origin);
    await page.evaluate(`void (() => {
      const { fetch } = window;
      window.codings = [];
      window.fetch = async (...given) => {
        const response = await fetch(...given);
        codings.push(response.headers.get("content-encoding"));
        return response;
      };
    })()`);
    await follow(page, wire, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    await publishEach(site, (count) => holds(page, `page.records.${wire}.messages === ${count}`));
    const { errors, opens } = await recordOf(page, wire);
    expect([errors, opens]).toEqual([[], [wire]]);
    // The other wires are an EventSource and an iframe, as above: the client leaves these before their sizes are known.
    if (wire === "ndjson") expect(await page.evaluate("codings")).toEqual(["gzip"]);
    await page.evaluate(`void page.sources.${wire}.close()`);
  });
});

describe.each([
  ["as a plain proxy", ""],
  ["with gzip on", "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;"],
  ["with gunzip on", "gunzip on;"],
])("nginx %s", (_, more) => {
  test.each(streams)("passes each message of a compressed stream on %s on at once", async (wire) => {
    const server = await serveHub({ compression: true });
    const origin = await startNginx(server.origin, "1.1", more);
    for (const accept of ["gzip", "identity"]) {
      const headers = { "accept-encoding": accept };
      const follower = await (await Follower.fetch(`${origin}/?topic=a&wire=${wire}`, { headers })).begun();
      expect(follower.response.headers.get("content-encoding")).toBe(accept === "gzip" ? "gzip" : null);
      for (let i = 1; i <= 10; i += 1) {
        await server.hub.topic("a").publish(message(i));
        await follower.has(i);
      }
      follower.leave();
    }
    expect(server.hub.stats().compression?.packed).toBeGreaterThan(0);
  });
});

test("nginx with gunzip on inflates a stream that it has asked for itself", async () => {
  const server = await serveHub({ compression: true });
  const origin = await startNginx(server.origin, "1.1", 'gunzip on; proxy_set_header Accept-Encoding "gzip";');
  const headers = { "accept-encoding": "identity" };
  const follower = await (await Follower.fetch(`${origin}/?topic=a&wire=ndjson`, { headers })).begun();
  expect(follower.response.headers.get("content-encoding")).toBeNull();
  for (let i = 1; i <= 10; i += 1) {
    await server.hub.topic("a").publish(message(i));
    await follower.has(i);
  }
  expect(server.hub.stats().compression?.packed).toBeGreaterThan(0);
});
