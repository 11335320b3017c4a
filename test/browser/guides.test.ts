import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import type { Hub } from "../../src/index.ts";
import { holds } from "../support/client-site.ts";
import { guidesFolder, listening, serveGuide, type Guide } from "../support/guides.ts";
import { until } from "../support/sources.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

async function publish({ origin }: Guide, title: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${origin}/news`, { method: "POST", body: JSON.stringify({ title }), headers });
  expect(response.status).toBe(201);
}

function isFollowed({ exports }: Guide): Promise<void> {
  return until(() => (exports["hub"] as Hub).stats().connections === 1, 20_000);
}

/** Serves plain.html with a picture, which is answered once the page has been painted, and a hub's stream. */
function lateSite(hub: Hub): Server {
  const painted = Promise.withResolvers<undefined>();
  const late = `<img src="/picture"><script>requestAnimationFrame(() => requestAnimationFrame(() => fetch("/painted")))</script>`;
  const page = `${readFileSync(join(guidesFolder, "pages/plain.html"), "utf8")}${late}`;
  const live = nodeHandler(hub);
  return createServer((request, response) => {
    if (request.url === "/") response.setHeader("content-type", "text/html").end(page);
    else if (request.url?.startsWith("/live") === true) void live(request, response);
    else if (request.url === "/picture") void painted.promise.then(() => response.writeHead(404).end());
    else {
      if (request.url === "/painted") painted.resolve(undefined);
      response.writeHead(204).end();
    }
  }).listen(0, "127.0.0.1");
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);

  async function shows(texts: readonly string[]): Promise<void> {
    const { page } = used;
    await holds(page, `document.querySelectorAll("li").length >= ${texts.length}`);
    const items = "Array.from(document.querySelectorAll('li'), (item) => item.textContent)";
    expect(await page.evaluate<string[]>(items)).toEqual(texts);
  }

  test("plain.html shows what is published, and has finished loading", async () => {
    const guide = await serveGuide("subscribing");
    await used.page.goto(`${guide.origin}/plain.html`);
    await isFollowed(guide);
    await holds(used.page, "document.readyState === 'complete'");
    await publish(guide, "Comet <returns>");
    await shows(["Comet <returns>"]);
  });

  test("plain.html has finished loading, though it is painted before its picture arrives", async () => {
    const guide = await serveGuide("subscribing");
    const { origin } = await listening(lateSite(guide.exports["hub"] as Hub));
    await used.page.goto(origin);
    await isFollowed(guide);
    await holds(used.page, "document.readyState === 'complete'");
    await publish(guide, "Comet <returns>");
    await shows(["Comet <returns>"]);
  });

  test("event-source.html shows what is published, and a gap after a restart of the server", async () => {
    const first = await serveGuide("subscribing");
    await used.page.goto(`${first.origin}/event-source.html`);
    await isFollowed(first);
    await publish(first, "Comet <returns>");
    await shows(["Comet <returns>"]);
    first.server.close();
    first.server.closeAllConnections();
    const second = await serveGuide("subscribing", { PORT: String(first.port) });
    await isFollowed(second);
    await publish(second, "and stays");
    await shows(["Comet <returns>", "Missed: unknown", "and stays"]);
  });

  test("event-source.html says that an EventSource stops for good after a response that is not 200", async () => {
    const guide = await serveGuide("subscribing");
    await used.page.goto(`${guide.origin}/event-source.html`);
    await isFollowed(guide);
    guide.server.close();
    guide.server.closeAllConnections();
    const proxy = createServer((_request, response) => response.writeHead(502).end()).listen(guide.port);
    onTestFinished(() => void proxy.close());
    await shows(["The server refused the stream."]);
  });

  test("the comet wire and its page work under a content security policy", async () => {
    const { origin } = await serveGuide("csp");
    await used.page.goto(origin);
    await holds(used.page, "document.title === 'Comet returns'");
  });
});
