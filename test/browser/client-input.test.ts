import { afterEach, describe, expect, test } from "vitest";
import { nodeHandler, type NodeResponse } from "../../src/adapters/node/index.ts";
import type { ServerResponse } from "node:http";
import type { Hub } from "../../src/index.ts";
import { clientSite, follow, holds, recordOf, visit, type ClientSite } from "../support/client-site.ts";
import { notedHub } from "../support/hub.ts";
import { browserNames, useBrowser } from "../support/use-browser.ts";

const url = "/events?topic=a";
const wires = ["ndjson", "sse", "comet", "poll"] as const;
const isStream = ({ req }: NodeResponse): boolean => req.url?.startsWith("/events") === true;

/** A site that answers the first request of a stream itself. */
async function answering(answer: (response: ServerResponse, callback: string) => void): Promise<ClientSite> {
  let isFirst = true;
  return clientSite({
    instead: (response) => {
      if (!isFirst || !isStream(response)) return false;
      isFirst = false;
      const { searchParams } = new URL(response.req.url ?? "", "http://site.test");
      answer(response as ServerResponse, searchParams.get("callback") ?? "");
      return true;
    },
  });
}

const open = '{"open":{"states":{"a":"fresh"},"position":"a=old.4","heartbeatMs":0}}';
const message = '{"id":"a=old.5","data":{"number":5}}';

/** Begins an endless stream on a wire: an opening, a message and these frames. */
function begin(response: ServerResponse, wire: "sse" | "comet", callback: string, ...frames: readonly string[]): void {
  const all = [open, message, ...frames];
  if (wire === "sse") {
    response.setHeader("content-type", "text/event-stream");
    response.write(all.map((frame) => `data: ${frame}\n\n`).join(""));
    return;
  }
  response.setHeader("content-type", "text/html");
  const scripts = all.map((frame) => `<script>${callback}([${JSON.stringify(frame)}])</script>`).join("");
  response.write(`<!doctype html><body>${" ".repeat(1024)}${scripts}`);
}

describe.each(browserNames)("in %s", (name) => {
  const used = useBrowser(name);
  afterEach(() =>
    used.page.evaluate("Object.values(globalThis.page?.sources ?? {}).forEach((source) => source.close())"),
  );

  /** Expects one error of this code, after which the source reconnects and delivers new messages. */
  async function expectReconnect({ hub }: ClientSite, wire: string, code: string): Promise<void> {
    const { page } = used;
    await holds(page, `page.records.${wire}.errors.length > 0 && page.sources.${wire}.readyState === 1`);
    await hub.topic("a").publish({ number: 1 });
    await holds(page, `page.records.${wire}.last === 1`);
    const { errors, closes } = await recordOf(page, wire);
    expect([errors.map((error) => error.code), closes]).toEqual([[code], []]);
  }

  describe.each(["sse", "comet"] as const)("on %s", (wire) => {
    async function expectFrame(frame: string): Promise<void> {
      const site = await answering((response, callback) => begin(response, wire, callback, frame));
      await visit(used.page, site.origin);
      await follow(used.page, wire, url, { wires: [wire] });
      await expectReconnect(site, wire, "ERR_FRAME");
      // The message before the frame counts. The hub has another epoch, so there is a gap.
      expect((await recordOf(used.page, wire)).all).toEqual([
        { type: "message", name: "message", data: { number: 5 } },
        { type: "gap", missed: null },
        { type: "message", name: "message", data: { number: 1 } },
      ]);
    }

    test.each(["{]", '{"open":{}}', '{"data":1}', '{"gap":{}}'])(
      "dispatches an error and reconnects after the frame %s",
      (frame) => expectFrame(frame),
    );

    test("dispatches an error and reconnects after a frame that is not an object", () => expectFrame("null"));

    test.each([
      ["a page", 200, "text/html"],
      ["a text", 200, "text/plain"],
      ["an error page", 502, "text/html"],
    ])("dispatches an error and reconnects after %s in place of a stream", async (_, status, type) => {
      const site = await answering((response) => {
        response.writeHead(status, { "content-type": type });
        response.end("<h1>Welcome to our hotel</h1>");
      });
      await visit(used.page, site.origin);
      // A source on sse without a position closes with its EventSource.
      const asked = wire === "sse" ? `${url}&lastEventId=a=old.5` : url;
      await follow(used.page, wire, asked, { wires: [wire] });
      await expectReconnect(site, wire, "ERR_NETWORK");
    });
  });

  test("dispatches a gap on every wire after the hub has restarted, and continues", async () => {
    const { page } = used;
    /** The hubs after the first. */
    const later: Hub[] = [];
    const sockets = new Set<{ destroy: () => unknown }>();
    // Chromium detects a cut iframe only by its silence.
    const quick = { pollMs: 100, heartbeatMs: 200 };
    const site = await clientSite({
      hub: quick,
      instead: (response) => {
        if (!isStream(response)) return false;
        sockets.add(response.req.socket);
        const [hub] = later;
        if (hub !== undefined) void nodeHandler(hub)(response.req, response);
        return hub !== undefined;
      },
    });
    await visit(page, site.origin);
    for (const wire of wires) {
      await follow(page, wire, url, { wires: [wire] });
      await holds(page, `page.records.${wire}.opens.length`);
    }
    await site.hub.topic("a").publish({ number: 1 });
    for (const wire of wires) await holds(page, `page.records.${wire}.last === 1`);
    const { hub } = notedHub(quick);
    later.push(hub);
    for (const socket of sockets) socket.destroy();
    for (const wire of wires) await holds(page, `page.records.${wire}.all.length === 2`);
    await hub.topic("a").publish({ number: 1 });
    await hub.topic("a").publish({ number: 2 });
    for (const wire of wires) {
      await holds(page, `page.records.${wire}.last === 2`);
      const { all, closes } = await recordOf(page, wire);
      expect([all.map((item) => (item.type === "gap" ? item.missed : item.data)), closes]).toEqual([
        [{ number: 1 }, null, { number: 1 }, { number: 2 }],
        [],
      ]);
    }
  });

  const globals = "Object.keys(globalThis).filter((key) => /^comet\\d/.test(key))";

  test("allows a script of an iframe to close its source and open another at once", async () => {
    const { page } = used;
    const before = page.console.length;
    const site = await clientSite();
    await visit(page, site.origin);
    await follow(page, "first", url, { wires: ["comet"] });
    await holds(page, "page.records.first.opens.length");
    await page.evaluate(`void page.sources.first.addEventListener("message", () => {
      page.sources.first.close();
      page.sources.first.close();
      page.follow("second", ${JSON.stringify(url)}, { wires: ["comet"] });
    })`);
    for (const number of [1, 2, 3])
      site.hub
        .topic("a")
        .publish({ number })
        .catch(() => undefined);
    await holds(page, "page.records.second?.opens.length");
    await site.hub.topic("a").publish({ number: 4 });
    await holds(page, "page.records.second.last === 4");
    expect(await recordOf(page, "first")).toMatchObject({ messages: 1, last: 1, errors: [], closes: [] });
    expect(await recordOf(page, "second")).toMatchObject({ messages: 1, errors: [] });
    await page.evaluate("void (page.sources.first.close(), page.sources.second.close(), page.sources.second.close())");
    await holds(page, `page.frames() === 0 && ${globals}.length === 0`);
    expect(page.console.slice(before)).toEqual([]);
  });

  test("gives each callback a name of its own, and frees it after the source is closed", async () => {
    const { page } = used;
    const before = page.console.length;
    const site = await clientSite();
    await visit(page, site.origin);
    for (const source of ["one", "two", "three"]) {
      await follow(page, source, url, { wires: ["comet"] });
      await holds(page, `page.records.${source}.opens.length`);
    }
    expect(await page.evaluate(`${globals}.sort().join()`)).toBe("comet0,comet1,comet2");
    // A closed source keeps its name until its iframe is removed: one that is opened in the same task has another.
    await page.evaluate(`void (page.sources.two.close(), page.follow("four", "${url}", { wires: ["comet"] }))`);
    await holds(page, "page.records.four.opens.length");
    await follow(page, "five", url, { wires: ["comet"] });
    await holds(page, "page.records.five.opens.length");
    expect(new Set(site.asked.map((query) => query.get("callback"))).size).toBeLessThanOrEqual(4);
    expect(await page.evaluate(`${globals}.length`)).toBe(4);
    await site.hub.topic("a").publish({ number: 1 });
    for (const source of ["one", "three", "four", "five"]) {
      await holds(page, `page.records.${source}.last === 1`);
      expect(await recordOf(page, source)).toMatchObject({ messages: 1, errors: [] });
    }
    expect(await recordOf(page, "two")).toMatchObject({ messages: 0 });
    await page.evaluate("Object.values(page.sources).forEach((source) => source.close())");
    await holds(page, `page.frames() === 0 && ${globals}.length === 0`);
    expect(page.console.slice(before)).toEqual([]);
  });
});
