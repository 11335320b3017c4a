import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Hub } from "../../src/index.ts";
import { holds } from "../support/client-site.ts";
import { serveGuide, type Guide } from "../support/guides.ts";
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
