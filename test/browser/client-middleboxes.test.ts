import type { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import { nodeHandler, type NodeResponse } from "../../src/adapters/node/index.ts";
import type { Hub } from "../../src/index.ts";
import { launchBrowser, type Page } from "../support/browsers/browser.ts";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { browserNames } from "../support/use-browser.ts";

/** What answers in place of the hub, while it can. */
type Middlebox = (response: ServerResponse) => void;

const page = "<!doctype html><title>Log in</title>";
const forTenMinutes = { "content-type": "text/html", "cache-control": "public, max-age=600" };

const middleboxes: Readonly<Record<string, Middlebox>> = {
  "a permanent redirect": (response) => response.writeHead(301, { ...forTenMinutes, location: "/portal" }).end(),
  "a captive portal": (response) => response.writeHead(302, { location: "/portal" }).end(),
  "a page that caches keep": (response) => response.writeHead(200, forTenMinutes).end(page),
  "an error that caches keep": (response) => response.writeHead(503, forTenMinutes).end(page),
  "a blocker": (response) => response.destroy(),
};

/** Service workers that keep responses, by their strategy. */
const strategies: Readonly<Record<string, string>> = {
  "stale-while-revalidate": `
    const kept = await cache.match(request);
    const fresh = fetch(request).then((response) => {
      void cache.put(request, response.clone()).catch(() => {});
      return response;
    });
    fresh.catch(() => {});
    return kept ?? fresh;`,
  "network-first": `
    try {
      const response = await fetch(request);
      void cache.put(request, response.clone()).catch(() => {});
      return response;
    } catch (error) {
      const kept = await cache.match(request);
      if (kept) return kept;
      throw error;
    }`,
};

/** The script of a service worker that answers requests for streams by the strategy that the address names. */
const serviceWorker = `
  addEventListener("install", () => skipWaiting());
  addEventListener("activate", (event) => event.waitUntil(clients.claim()));
  addEventListener("fetch", (event) => {
    const { origin, pathname, searchParams } = new URL(event.request.url);
    if (origin === location.origin && pathname === "/events")
      event.respondWith(answers[searchParams.get("strategy")](event.request));
  });
  const answers = {${Object.entries(strategies)
    .map(([name, code]) => `async "${name}"(request) { const cache = await caches.open("events");${code} }`)
    .join()}
  };`;

/** Notes the time of each request of the page for a stream, by the parameter `n` of its address. */
const noteRequests = `void (() => {
  globalThis.times = {};
  const note = (url) => {
    const n = new URL(url).searchParams.get("n");
    (times[n] ??= []).push(performance.now());
  };
  const { fetch, EventSource } = globalThis;
  globalThis.fetch = (url, init) => { note(url); return fetch(url, init); };
  globalThis.EventSource = class extends EventSource {
    constructor(url, init) { note(url); super(url, init); }
  };
})()`;

/** The shortest time between two requests after the first ten since `from`, in milliseconds. */
async function shortestPause(page: Page, n: number, from: number): Promise<number> {
  const times = (await page.evaluate<number[]>(`times[${n}]`)).slice(from);
  return Math.min(...times.slice(11).map((at, i) => at - (times[i + 10] as number)));
}

/** Expects all numbers up to the last, or gaps that say how many are missing. */
async function expectNothingLost(page: Page, name: string, last: number): Promise<void> {
  const { all, closes } = await recordOf(page, name);
  let at = 0;
  for (const item of all) {
    if (item.type === "gap") at += item.missed ?? expect.fail("a gap does not say how many are missing");
    else expect((item.data as { number: number }).number, name).toBe((at += 1));
  }
  expect([at, closes], name).toEqual([last, []]);
}

async function publish(hub: Hub, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number += 1) await hub.topic("a").publish({ number });
}

// In all browsers at once: most of the time, each waits for the pauses between requests.
test("loses nothing and floods nothing while something else answers for the hub or keeps its responses", async () => {
  await Promise.all(
    browserNames.map(async (name) => {
      await using browser = await launchBrowser(name);
      await expectPatience(await browser.newPage());
    }),
  );
});

/** Puts middleboxes and service workers before a hub, takes the hub away, and brings it back. */
async function expectPatience(page: Page): Promise<void> {
  const open = new Set<NodeResponse>();
  let isAway = false;
  const track = (response: NodeResponse): void => {
    open.add(response);
    response.on("close", () => open.delete(response));
  };
  const site = await clientSite({
    hub: { heartbeatMs: 300, pollMs: 300 },
    instead: (response) => {
      const { url = "" } = response.req;
      if (url === "/service-worker.js") {
        response.setHeader("content-type", "text/javascript");
        (response as ServerResponse).end(serviceWorker);
        return true;
      }
      if (!url.startsWith("/events")) return false;
      if (isAway) response.req.socket.destroy();
      else track(response);
      return isAway;
    },
  });
  /** Serves the streams of the hub to another origin; a middlebox answers while the hub is away. */
  const serveBehind = (middlebox: Middlebox): Promise<TestServer> =>
    serve((response) => {
      response.setHeader("access-control-allow-origin", "*");
      const isStream = response.req.url?.startsWith("/events") === true;
      if (!isStream) (response as ServerResponse).writeHead(200, forTenMinutes).end("A portal");
      else if (isAway) middlebox(response as ServerResponse);
      else {
        track(response);
        void nodeHandler(site.hub)(response.req, response);
      }
    });
  await visit(page, site.origin);
  await page.evaluate(`navigator.serviceWorker.register("/service-worker.js").then(() => {})`);
  await holds(page, "navigator.serviceWorker.controller");
  await page.evaluate(noteRequests);

  const sources: { readonly name: string; readonly url: string; readonly wires: readonly string[] }[] = [];
  for (const [box, middlebox] of Object.entries(middleboxes)) {
    const { origin } = await serveBehind(middlebox);
    sources.push({ name: box, url: `${origin}/events?topic=a`, wires: ["ndjson", "sse", "poll"] });
  }
  for (const strategy of Object.keys(strategies))
    for (const wire of ["ndjson", "poll"])
      sources.push({ name: `${strategy} ${wire}`, url: `/events?topic=a&strategy=${strategy}`, wires: [wire] });
  for (const [n, { name, url, wires }] of sources.entries()) await follow(page, name, `${url}&n=${n}`, { wires });
  await holds(page, "Object.values(page.records).every(({ opens }) => opens.length > 0)");
  await publish(site.hub, 1, 5);
  await holds(page, "Object.values(page.records).every(({ last }) => last === 5)");

  const before = await page.evaluate<number[]>("Object.values(times).map(({ length }) => length)");
  isAway = true;
  for (const response of open) response.destroy();
  await publish(site.hub, 6, 10);
  for (const [n, { name }] of sources.entries()) {
    await holds(page, `times[${n}].length >= ${(before[n] as number) + 13}`, 60_000);
    expect(await shortestPause(page, n, before[n] as number), name).toBeGreaterThan(950);
  }
  // No middlebox is taken for the hub.
  const states = `${JSON.stringify(Object.keys(middleboxes))}.map((name) => page.sources[name].readyState)`;
  expect(await page.evaluate(states)).toEqual(Object.keys(middleboxes).map(() => 0));

  isAway = false;
  await publish(site.hub, 11, 15);
  await holds(page, "Object.values(page.records).every(({ last }) => last === 15)");
  for (const { name } of sources) await expectNothingLost(page, name, 15);
  expect(await page.evaluate(states)).toEqual(Object.keys(middleboxes).map(() => 1));
}
