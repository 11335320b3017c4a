import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { clientSite, follow, holds, recordOf, visit } from "../support/client-site.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  test.each([
    ["a page that may be cached", 200, { "content-type": "text/html", "cache-control": "max-age=3600" }],
    ["a permanent redirect", 301, { location: "/busy" }],
  ] as const)("asks the hub again after %s in its place", async (_, status, headers) => {
    const { page } = used;
    let wrong = 0;
    const { hub, origin } = await clientSite({
      instead: (response) => {
        const { url = "" } = response.req;
        if (url.startsWith("/busy")) (response as ServerResponse).writeHead(503).end();
        else if (url.startsWith("/events") && wrong < 2) {
          wrong += 1;
          (response as ServerResponse).writeHead(status, { ...headers, connection: "close" }).end("<p>Closed.</p>");
        } else return false;
        return true;
      },
    });
    await visit(page, origin);
    await follow(page, "a", "/events?topic=a", { wires: ["ndjson"] });
    await holds(page, "page.records.a.opens.length === 1");
    await hub.topic("a").publish({ number: 1 });
    await holds(page, "page.records.a.last === 1");
    expect((await recordOf(page, "a")).errors).toHaveLength(2);
  });

  test("delivers to two sources of the same address at once", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    await visit(page, origin);
    for (const source of ["first", "second"]) await follow(page, source, "/events?topic=a", { wires: ["ndjson"] });
    await holds(page, "page.records.first.opens.length === 1 && page.records.second.opens.length === 1");
    await hub.topic("a").publish({ number: 1 });
    await holds(page, "page.records.first.last === 1 && page.records.second.last === 1");
    for (const source of ["first", "second"]) expect((await recordOf(page, source)).errors).toEqual([]);
  });

  test("iterates over 50,000 messages out of the log over one connection", async () => {
    const { page } = used;
    const { hub, origin, opened } = await clientSite({ hub: { log: { maxEntries: 60_000, maxBytes: 1 << 28 } } });
    for (let number = 1; number <= 50_000; number += 1) await hub.topic("a").publish({ number });
    await visit(page, origin);
    const iterate = `(async () => {
      page.follow("a", "/events?topic=a&from=oldest", { wires: ["ndjson"] });
      let last = 0;
      for await (const { data: { number } } of page.sources.a) {
        if (number !== last + 1) return [last, number];
        last = number;
        if (number === 50000) return last;
      }
    })()`;
    expect(await page.evaluate(iterate)).toBe(50_000);
    expect(opened).toHaveLength(1);
  });

  test("lets the page do other work while 10,000 messages arrive at once", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite({ hub: { log: { maxEntries: 10_000 } } });
    for (let number = 1; number <= 10_000; number += 1) await hub.topic("a").publish({ number });
    await visit(page, origin);
    // Each task of the channel is one in which the page could handle input. The listener works for 200 ms in all.
    const count = `new Promise((resolve) => {
      page.follow("a", "/events?topic=a&from=oldest", { wires: ["ndjson"] });
      const { port1, port2 } = new MessageChannel();
      let tasks = 0;
      port1.onmessage = () => {
        tasks += 1;
        port2.postMessage(0);
      };
      let count = 0;
      page.sources.a.addEventListener("message", () => {
        if (count++ === 0) port2.postMessage(0);
        const end = performance.now() + 1;
        if (count % 50 === 0) while (performance.now() < end);
        if (count === 10000) resolve(tasks);
      });
    })`;
    expect(await page.evaluate(count)).toBeGreaterThan(10);
  });

  test("gives a message every member of a MessageEvent, and cannot dispatch it again", async () => {
    const { page } = used;
    const { hub, origin } = await clientSite();
    await visit(page, origin);
    await follow(page, "a", "/events?topic=a", { wires: ["ndjson"] });
    await page.evaluate(`void page.sources.a.addEventListener("message", (event) => (page.event = event))`);
    await holds(page, "page.records.a.opens.length === 1");
    await hub.topic("a").publish(1);
    await holds(page, "page.event");
    const members = `(() => {
      const { event } = page;
      // A getter of the browser's would throw.
      for (const name in event) void event[name];
      event.preventDefault();
      let thrown;
      try {
        document.dispatchEvent(event);
      } catch (error) {
        thrown = error.name;
      }
      return [event instanceof MessageEvent, event.data, event.target === page.sources.a, thrown, event.composedPath()];
    })()`;
    expect(await page.evaluate(members)).toEqual([true, 1, true, "TypeError", []]);
  });
});
