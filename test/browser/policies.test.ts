import express from "express";
import type { RequestListener } from "node:http";
import helmet from "helmet";
import { afterEach, describe, expect, test } from "vitest";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import { clientScript, clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { notedHub } from "../support/hub.ts";
import { serve } from "../support/servers.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const wires = ["ndjson", "sse", "comet", "poll"] as const;

/** An Express application with helmet's default policy on every response. */
async function helmetSite() {
  const noted = notedHub();
  const script = await clientScript();
  const app = express();
  // WebKit would swap the process of the page, which its driver does not follow, and would look for https here.
  app.use(
    helmet({
      crossOriginOpenerPolicy: false,
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    }),
  );
  app.all("/events", nodeHandler(noted.hub));
  app.get("/client.js", (_, response) => void response.type("js").send(script));
  app.get("/plain.js", (_, response) => {
    response.type("js").send("var got = []; function cometMessage(message) { got.push(message) }");
  });
  app.get("/", (request, response) => {
    const body = request.query["plain"]
      ? '<script src="/plain.js"></script><iframe src="/events?topic=a&from=oldest"></iframe>'
      : '<script src="/client.js"></script>';
    response.type("html").send(`<!doctype html><title>A page</title><body>${" ".repeat(1024)}${body}`);
  });
  const server = await serve((response) => (app as RequestListener)(response.req as never, response as never));
  return { ...noted, ...server };
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test("a plain iframe gets its messages behind helmet", async () => {
    const { hub, origin, errors } = await helmetSite();
    await hub.topic("a").publish("hello");
    await used.page.goto(`${origin}/?plain=1`);
    await holds(used.page, "globalThis.got?.[0] === 'hello'");
    expect(errors).toEqual([]);
  });

  test.each(wires)("the client gets its messages over %s behind helmet", async (wire) => {
    const { page } = used;
    const { hub, origin, errors } = await helmetSite();
    await visit(page, origin);
    await follow(page, wire, "/events?topic=a", { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    await hub.topic("a").publish({ number: 1 });
    await holds(page, `page.records.${wire}.last === 1`);
    expect([(await recordOf(page, wire)).errors, errors]).toEqual([[], []]);
  });

  test.each(["ndjson", "sse", "poll", "posted"])("a page of an allowed origin follows over %s", async (wire) => {
    const { page } = used;
    const around = await clientSite();
    // Another site, and not only another origin.
    const origin = around.origin.replace("127.0.0.1", "localhost");
    const site = await clientSite({ hub: { cors: { origins: [origin] } } });
    await visit(page, origin);
    await follow(page, wire, `${site.origin}/events?topic=a`, { wires: [wire] });
    await holds(page, `page.records.${wire}.opens.length === 1`);
    await site.hub.topic("a").publish({ number: 1 });
    await holds(page, `page.records.${wire}.last === 1`);
    expect((await recordOf(page, wire)).errors).toEqual([]);
  });

  test("a page of another origin cannot load a response without CORS", async () => {
    const { page } = used;
    const around = await clientSite();
    const site = await clientSite();
    await visit(page, around.origin);
    for (const query of ["topic=a&wire=poll&wait=0", "topic=&wire=poll", "topic=a&wire=ndjson"]) {
      const load = `fetch("${site.origin}/events?${query}", { mode: "no-cors" }).then(() => "loaded", () => "blocked")`;
      expect(await page.evaluate(load)).toBe("blocked");
    }
  });
});
