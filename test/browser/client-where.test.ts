import { build } from "esbuild";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { nodeHandler, type NodeResponse } from "../../src/adapters/node/index.ts";
import { Hub } from "../../src/index.ts";
import { holds } from "../support/client-site.ts";
import { modulesSite } from "../support/modules-site.ts";
import { root } from "../support/run.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const example = (name: string): string => join(root, "examples/guides", name);

function sendScript(response: NodeResponse, text: string | Buffer | undefined): void {
  response.setHeader("content-type", "text/javascript; charset=utf-8");
  (response as ServerResponse).end(text);
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  test("follows prices in a worker, which posts the newest to its page", async () => {
    const { page } = used;
    const { outputFiles } = await build({
      entryPoints: [example("live-worker.ts")],
      bundle: true,
      format: "esm",
      target: "es2022",
      write: false,
      alias: { "comet-sockets/client": join(root, "src/client/index.ts") },
    });
    const hub = new Hub();
    const handle = nodeHandler(hub);
    const { visit } = await modulesSite({
      instead: (response, path) => {
        if (path === "/live") void handle(response.req, response);
        else if (path === "/live-worker.js") sendScript(response, outputFiles[0]?.text);
        else return false;
        return true;
      },
    });
    await visit(page);
    await page.evaluate(`void (() => {
      globalThis.prices = {};
      const worker = new Worker("/live-worker.js", { type: "module" });
      worker.onmessage = ({ data }) => data.forEach(({ symbol, cents }) => (prices[symbol] = cents));
    })()`);
    await until(() => hub.stats().connections === 1);
    for (let cents = 1; cents <= 50; cents += 1)
      for (const symbol of ["a", "b"]) await hub.topic("prices").publish({ symbol, cents }, { event: "price" });
    await holds(page, "prices.a === 50 && prices.b === 50");
    await hub.close({ drainMs: 0 });
  });

  test("follows a hub through a service worker that leaves streams alone, and resumes after a cut", async () => {
    const { page } = used;
    const streams: NodeResponse[] = [];
    const assets: string[] = [];
    const { hub, visit } = await modulesSite({
      instead: (response, path) => {
        if (path === "/events") streams.push(response);
        if (path === "/service-worker.js") sendScript(response, readFileSync(example("service-worker.js")));
        else if (path.startsWith("/assets/")) {
          assets.push(path);
          sendScript(response, "// An asset.");
        } else return false;
        return true;
      },
    });
    await visit(page);
    await page.evaluate(`void navigator.serviceWorker.register("/service-worker.js")`);
    await holds(
      page,
      "navigator.serviceWorker.ready.then((ready) => (globalThis.isReady = true)) && globalThis.isReady",
    );
    // A page that was loaded before its service worker is not controlled by it.
    await visit(page);
    await holds(page, "navigator.serviceWorker.controller");
    await page.evaluate(`void (() => {
      globalThis.numbers = [];
      globalThis.gaps = 0;
      globalThis.source = new Comet.CometSource("/events?topic=a", { backoffMs: 20 });
      source.onmessage = ({ data }) => numbers.push(data);
      source.ongap = () => (gaps += 1);
      source.onopen = () => (globalThis.isOpen = true);
    })()`);
    await holds(page, "globalThis.isOpen");
    await hub.topic("a").publish(1);
    await holds(page, "numbers.length === 1");
    (streams.at(-1) as ServerResponse).socket?.resetAndDestroy();
    await hub.topic("a").publish(2);
    await holds(page, "numbers.length === 2");
    await page.evaluate(`(async () => {
      for (let i = 0; i < 2; i += 1) await (await fetch("/assets/a.js")).text();
    })()`);
    const kept = `(async () => {
      const urls = [];
      for (const cacheName of await caches.keys())
        for (const { url } of await (await caches.open(cacheName)).keys()) urls.push(new URL(url).pathname);
      return urls;
    })()`;
    expect([await page.evaluate(kept), assets]).toEqual([["/assets/a.js"], ["/assets/a.js"]]);
    expect(await page.evaluate("[numbers, gaps]")).toEqual([[1, 2], 0]);
    await page.evaluate("source.close()");
  });
});
